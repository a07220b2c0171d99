// SPDX-License-Identifier: MIT
// The texts of pictures that lie on each other, or outside of their picture: a list, empty if all can be read.
"use strict";
const textOverlaps = (pictures) => {
    const found = [], slack = 2;
    document.querySelectorAll(pictures).forEach((picture) => {
        const whole = picture.getBoundingClientRect();
        const texts = [...picture.querySelectorAll("text")].map((text) => ({ words: text.textContent.trim(), box: text.getBoundingClientRect() }))
            .filter(({ words, box }) => words && box.width);
        texts.forEach(({ words, box }, i) => {
            if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1)
                found.push(`outside: ${words}`);
            texts.slice(i + 1).forEach((other) => {
                const isBeside = box.left >= other.box.right || other.box.left >= box.right;
                const isAbove = box.top + slack >= other.box.bottom || other.box.top + slack >= box.bottom;
                if (!isBeside && !isAbove) found.push(`${words} | ${other.words}`);
            });
        });
    });
    return found;
};
