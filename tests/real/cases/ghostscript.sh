# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# ghostscript: a PostScript program with fonts, curves, patterns and dictionaries, rendered and made into a
# PDF file, which is rendered again.
weight=light
packages=ghostscript
programs=/usr/bin/gs

job() {
    cat >page.ps <<'END'
%!PS
/random { /state state 16807 mul 2147483647 mod cvi def state exch mod } def
/state 7 def
/Times-Roman findfont 14 scalefont setfont
1 1 4 {
    /page exch def
    0 1 60 {
        /i exch def
        gsave
        300 400 translate i 6 mul rotate
        i 60 div 1 0.8 sethsbcolor
        0 0 moveto 100 i add 50 200 i sub 150 page 40 mul 30 curveto 3 setlinewidth stroke
        grestore
    } for
    gsave 100 600 moveto (Page ) show page 10 string cvs show ( of a document) show grestore
    /table 500 dict def
    0 1 3000 { dup 500 mod exch 30 string cvs table 3 1 roll put } for
    100 500 moveto table length 10 string cvs show
    /big 20000 array def
    0 1 19999 { big exch dup dup mul 1000 mod put } for
    0 0 1 19999 { big exch get add } for 100 480 moveto 12 string cvs show
    100 200 moveto 200 0 rlineto 0 100 rlineto -200 0 rlineto closepath clip
    1 1 100 { /n exch def n 7 mod 7 div setgray n 5 mul 100 n add n 60 mod 5 add 0 360 arc fill } for
    showpage
} for
END
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r150 -dTextAlphaBits=4 \
        -dGraphicsAlphaBits=4 -o page-%d.ppm page.ps
    sha256sum page-*.ppm
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -dCompressPages=false -o page.pdf page.ps
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=png16m -r72 -dNumRenderingThreads=2 -dBandHeight=50 \
        -dBufferSpace=200000 -o again-%d.png page.pdf
    sha256sum again-*.png
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=txtwrite -o - page.pdf
    echo '1 0 div' >wrong.ps
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=nullpage wrong.ps 2>&1 || echo "status $?"
}
