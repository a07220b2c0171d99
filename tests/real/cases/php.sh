# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# php, whose own allocator takes chunks of 2 MiB aligned to 2 MiB, and php without that allocator (USE_ZEND_ALLOC=0).
weight=heavy
packages=php8.2-cli
programs=/usr/bin/php8.2
prove_with='-n --version' # extensions are opened with RTLD_DEEPBIND, which binds them to the C library's malloc

job() {
    cat >program.php <<'END'
<?php
$state = 7;
function random($n) { global $state; $state = ($state * 16807) % 2147483647; return $state % $n; }
$words = [];
for ($i = 0; $i < 100000; $i++) {
    $word = base_convert((string)random(50000), 10, 36);
    $words[$word] = ($words[$word] ?? 0) + 1;
}
ksort($words, SORT_STRING);
echo count($words), ' ', md5(serialize($words)), "\n";
echo strlen($json = json_encode($words)), ' ', md5($json), ' ', json_decode($json, true) === $words, "\n";
$text = str_repeat(implode(' ', array_keys($words)), 20);
echo preg_match_all('/\b(\w)\w*\1\b/', $text, $found), ' ', md5(preg_replace('/(\w)(\w+)/', '$2$1', $text)), "\n";
class Node { public $next; public $data; function __construct($next) { $this->next = $next; $this->data = range(1, 20); } }
for ($turn = 0; $turn < 5; $turn++) {
    $first = $ring = new Node(null);
    for ($i = 0; $i < 20000; $i++) $ring = new Node($ring);
    $first->next = $ring;
    unset($first, $ring);
    echo gc_collect_cycles() > 20000, ' ';
}
$large = [];
for ($i = 0; $i < 200; $i++) {
    $large[] = str_repeat(chr(65 + $i % 26), 1000 + random(3000000));
    if (count($large) > 20) array_splice($large, random(15), 5);
}
echo md5(implode($large)), "\n";
function squares($n) { for ($i = 0; $i < $n; $i++) yield $i * $i; }
echo array_sum(iterator_to_array(squares(100000))), "\n";
exit(6);
END
    php8.2 -n -d memory_limit=-1 program.php || echo "status $?"
    USE_ZEND_ALLOC=0 php8.2 -n -d memory_limit=-1 program.php || echo "status $?"
    # shellcheck disable=SC2016 # PHP's variable
    php8.2 -n -d memory_limit=8M -r '$list = range(1, 10000000);' 2>&1 | grep -o 'Allowed memory size of [0-9]* bytes' || true
}
