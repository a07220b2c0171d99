# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # settings for the driver
# php with the extensions that Debian turns on, which it opens with RTLD_DEEPBIND: through libvmalloc_nodeepbind.so.
weight=heavy
packages=php8.2-cli
programs=/usr/bin/php8.2
companion=libvmalloc_nodeepbind.so

job() {
    cat >program.php <<'END'
<?php
$wanted = ['calendar', 'ctype', 'exif', 'FFI', 'fileinfo', 'gettext', 'iconv', 'PDO', 'Phar', 'posix', 'readline',
    'sockets', 'sysvshm', 'tokenizer', 'Zend OPcache'];
echo implode(' ', array_filter($wanted, fn($name) => !extension_loaded($name))), "|\n";
$source = str_repeat(file_get_contents(__FILE__), 20);

// Blocks of the C library's, freed through names that the loader looks up.
$libc = FFI::cdef('char *strdup(const char *text); void free(void *block);');
$sum = 0;
for ($i = 0; $i < 20000; $i++) {
    $copy = $libc->strdup(substr($source, $i, $i % 3000));
    $sum += strlen(FFI::string($copy));
    $libc->free($copy);
}
$array = FFI::new('int[100000]');
for ($i = 0; $i < 100000; $i++) $array[$i] = $i * $i % 1000;
echo $sum, ' ', md5(FFI::string($array, FFI::sizeof($array))), "\n";

$tokens = PhpToken::tokenize('<?php ' . str_repeat('$a = [1, "b" => fn($x) => $x ** 2]; ', 5000));
echo count($tokens), ' ', md5(implode(array_map(fn($token) => $token->getTokenName() . $token->text, $tokens))), "\n";

$utf16 = iconv('UTF-8', 'UTF-16LE', str_repeat('ä€𝄞x', 20000));
echo strlen($utf16), ' ', md5(iconv('UTF-16LE', 'UTF-8', $utf16)), ' ', iconv_strlen($utf16, 'UTF-16LE'), "\n";

$kinds = [];
$info = new finfo(FILEINFO_MIME_TYPE);
for ($i = 0; $i < 20; $i++) {
    foreach (["\x7fELF\x02\x01\x01", "GIF89a\x01\x00\x01\x00", $source, gzencode($source), "%PDF-1.4\n"] as $text) {
        $kinds[] = $info->buffer($text);
    }
}
echo implode(' ', array_unique($kinds)), "\n";

$archive = new PharData('archive.tar');
for ($i = 0; $i < 50; $i++) $archive["file$i"] = substr($source, $i * 100);
$archive->compress(Phar::GZ);
unset($archive);
$digest = hash_init('sha256');
foreach (new RecursiveIteratorIterator(new PharData('archive.tar.gz')) as $file) {
    hash_update($digest, $file->getFilename() . $file->getContent());
}
echo hash_final($digest), "\n";

socket_create_pair(AF_UNIX, SOCK_STREAM, 0, $pair);
for ($i = 1, $same = 0; $i < 2000; $i++) {
    socket_write($pair[0], substr($source, 0, $i));
    $same += socket_read($pair[1], 10000) === substr($source, 0, $i);
}
echo $same, ' ', strlen(posix_getpwuid(0)['name']), ' ', jddayofweek(cal_to_jd(CAL_GREGORIAN, 2, 29, 2024), 1), "\n";
try {
    new PDO('none:nowhere');
} catch (PDOException $problem) {
    echo $problem->getMessage(), "\n";
}
exit(5);
END
    local zend_alloc
    for zend_alloc in 1 0; do
        rm -f archive.tar*
        USE_ZEND_ALLOC=$zend_alloc php8.2 -d memory_limit=-1 -d opcache.enable_cli=1 -d ffi.enable=1 program.php ||
            echo "status $?"
    done
}
