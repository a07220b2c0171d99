# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# perl: hashes, sorting, regular expressions, closures, formats, fork, and interpreter threads.
weight=light
packages=perl
programs=/usr/bin/perl

job() {
    # The order of a hash must not depend on the run.
    export PERL_HASH_SEED=0
    cat >program.pl <<'END'
use strict;
use warnings;
use threads;
use threads::shared;
use Digest::SHA qw(sha256_hex);
use Storable qw(dclone freeze thaw);

my %words;
my $state = 1;
sub random { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $_[0] }
for my $n (1 .. 200000) {
    my $word = join '', map { chr(97 + random(26)) } 1 .. 1 + random(4);
    $words{$word}++;
}
my @sorted = sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words;
print scalar(@sorted), " $sorted[0] $sorted[-1] ", sha256_hex(join ' ', map { "$_=$words{$_}" } @sorted), "\n";

my $text = join ' ', @sorted[0 .. 5000];
my $count = () = $text =~ /\b([a-z])(\w*)\1\b/g;
(my $swapped = $text) =~ s/(\w)(\w+)/$2$1/g;
print "$count ", sha256_hex($swapped), "\n";

my @closures = map { my $n = $_; sub { $n += shift } } 1 .. 20000;
my $sum = 0;
$sum += $_->(5) for @closures;
print "$sum\n";

my $deep = [];
$deep = [$deep, { list => [1 .. 5] }] for 1 .. 2000;
my $copy = thaw(freeze(dclone($deep)));
my $depth = 0;
$depth++, $copy = $copy->[0] while @$copy;
print "$depth\n";

my $long = '';
$long .= chr(65 + $_ % 26) x ($_ % 100) for 1 .. 50000;
print length($long), ' ', sha256_hex($long), "\n";

my %result : shared;
my @threads = map {
    my $number = $_;
    threads->create(sub {
        my %own = map { $_ * $number => 'x' x ($_ % 50) } 1 .. 20000;
        my $length = 0;
        $length += length for values %own;
        lock(%result);
        $result{$number} = $length;
    })
} 1 .. 6;
$_->join for @threads;
print join(' ', map { "$_=$result{$_}" } sort keys %result), "\n";

for my $child (1 .. 5) {
    pipe(my $reader, my $writer) or die;
    my $pid = fork;
    if (!$pid) {
        print $writer sha256_hex(join ',', map { $_ * $child } 1 .. 20000);
        exit $child;
    }
    close $writer;
    print scalar(<$reader>), "\n";
    waitpid $pid, 0;
    print $? >> 8, "\n";
}
die { code => 5 } if @ARGV;
exit 9;
END
    perl program.pl || echo "status $?"
    perl program.pl wrong >/dev/null 2>&1 || echo "status $?"
}
