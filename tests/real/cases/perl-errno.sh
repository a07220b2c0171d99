# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# perl shows errno as $!: what it was set to is what it is after allocating and freeing, small and large, and after a
# failed system call it is what the call left.
weight=light
packages=perl
programs=/usr/bin/perl

job() {
    perl -e '
        use strict;
        my $changed = 0;
        for my $wanted (1 .. 130) {
            $! = $wanted;
            my @list = map { "x" x ($_ * 37 % 5000) } 1 .. 200;
            my $large = "y" x ($wanted * 10_000);
            my %table = map { $_ => [$_] } 1 .. 200;
            splice @list, 50, 100;
            $large .= "z" x 300_000;
            undef $large;
            undef @list;
            undef %table;
            $changed++ if $! + 0 != $wanted;
        }
        print "changed $changed of 130\n";
        open(my $file, "<", "/nowhere") and die;
        my @more = map { "w" x 100_000 } 1 .. 50;
        undef @more;
        print "$!\n";
        $! = 7;
        exit 3'  || echo "status $?"
}
