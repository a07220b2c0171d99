// SPDX-License-Identifier: MIT
// Put into a copy of the page behind its own script: uses the page as people do, and leaves what it saw in <pre id="probe">.
"use strict";
(async () => {
    const steps = {}, byId = (id) => document.getElementById(id), time = byId("time");
    const note = (name) => {
        const layers = {};
        document.querySelectorAll("#map path[data-layer]").forEach((path) => { layers[path.dataset.layer] = path.getAttribute("d"); });
        steps[name] = {
            index: Number(time.value), op: byId("op").textContent, mapOp: byId("map").dataset.op, layers,
            cursor: byId("cursor").getBoundingClientRect().x,
        };
    };
    const press = (name, key) => {
        document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
        note(name);
    };
    const slide = (name, value) => {
        time.value = value;
        time.dispatchEvent(new Event("input"));
        note(name);
    };
    const overlaps = textOverlaps("svg.picture");
    note("begin");
    slide("start", 0);
    slide("end", time.max);
    press("left", "ArrowLeft");
    press("right", "ArrowRight");
    press("home", "Home");
    press("last", "End");
    press("p", "p");
    // A click in the middle of the curves: the frame that is nearest to half of the operations.
    const film = JSON.parse(byId("film").textContent), curves = byId("curves"), box = curves.getBoundingClientRect();
    const scale = box.width / curves.viewBox.baseVal.width;
    const x = box.left + (Number(curves.dataset.left) + Number(curves.dataset.width) / 2) * scale;
    curves.dispatchEvent(new MouseEvent("click", { clientX: x, clientY: box.top + 50, bubbles: true }));
    note("click");
    let middle = 0;
    film.frames.forEach((frame, i) => { if (Math.abs(frame.op - film.ops / 2) < Math.abs(film.frames[middle].op - film.ops / 2)) middle = i; });
    byId("peak").click();
    note("button");
    press("again", "Home");
    byId("play").click();
    await new Promise((done) => setTimeout(done, 700));
    if (byId("play").getAttribute("aria-pressed") === "true") byId("play").click();
    note("played");
    const result = document.body.appendChild(document.createElement("pre"));
    result.id = "probe";
    result.textContent = JSON.stringify({ steps, overlaps, middle, errors: window.probeErrors });
})();
