// SPDX-License-Identifier: MIT
// Shows one frame of the film: its figures, the squares of the map, the cursor in the curves.
"use strict";
(() => {
    const film = JSON.parse(document.getElementById("film").textContent);
    const byId = (id) => document.getElementById(id);
    const time = byId("time"), play = byId("play"), curves = byId("curves"), map = byId("map");
    const layers = [...map.querySelectorAll("path[data-layer]")];
    let player = 0;

    const count = (number) => number.toLocaleString("en-US");
    const bytes = (number) => {
        const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        let unit = 0;
        for (; number >= 1024 && unit + 1 < units.length; unit++) number /= 1024;
        return (unit ? number.toFixed(1).replace(/\.0$/, "") : number) + " " + units[unit];
    };

    // "AB3" is the squares A, B, B, B.
    const unpack = (text) => text.replace(/(\D)(\d+)/g, (all, square, n) => square.repeat(Number(n)));

    // How many parts of a square a layer fills: all that are mapped, those of one shade, those in swap.
    const parts = (layer, square) => {
        if (square === ".") return 0;
        const code = square.charCodeAt(0) - 65;
        if (layer === "mapped") return film.parts;
        if (layer === "swapped") return code + 1;
        return code && (code - 1) % film.shades === Number(layer.slice(-1)) ? Math.floor((code - 1) / film.shades) + 1 : 0;
    };

    const outline = (layer, squares) => {
        const part = film.cell / film.parts;
        let path = "";
        film.rows.forEach((y, row) => {
            const line = squares.slice(row * film.columns, (row + 1) * film.columns);
            for (let from = 0, to; from < line.length; from = to) {
                const n = parts(layer, line[from]);
                for (to = from + 1; to < line.length && parts(layer, line[to]) === n;) to++;
                if (!n) continue;
                const top = layer === "swapped" ? y : y + film.cell - n * part, width = (to - from) * film.cell;
                path += `M${film.left + from * film.cell} ${top}h${width}v${n * part}h-${width}z`;
            }
        });
        return path;
    };

    const show = (index) => {
        const frame = film.frames[index];
        const memory = unpack(frame.memory), swap = unpack(frame.swap);
        time.value = index;
        time.setAttribute("aria-valuetext", `operation ${count(frame.op)} of ${count(film.ops)}`);
        byId("op").textContent = `${count(frame.op)} of ${count(film.ops)}`;
        film.figures.forEach((figure, i) => {
            byId(figure.key).textContent = (figure.bytes ? bytes : count)(frame.figures[i]);
        });
        layers.forEach((layer) => layer.setAttribute("d", outline(layer.dataset.layer, layer.dataset.layer === "swapped" ? swap : memory)));
        map.dataset.op = frame.op;
        byId("map-note").textContent = `after operation ${count(frame.op)}`;
        const x = Number(curves.dataset.left) + (film.ops ? (frame.op / film.ops) * Number(curves.dataset.width) : 0);
        byId("cursor").setAttribute("transform", `translate(${x - Number(curves.dataset.left)} 0)`);
    };

    const stop = () => {
        clearInterval(player);
        player = 0;
        play.textContent = "Play";
        play.setAttribute("aria-pressed", "false");
    };
    const go = (index) => show(Math.max(0, Math.min(film.frames.length - 1, index)));
    const here = () => Number(time.value);
    const toggle = () => {
        if (player) return stop();
        if (here() === film.frames.length - 1) go(0);
        play.textContent = "Stop";
        play.setAttribute("aria-pressed", "true");
        player = setInterval(() => (here() < film.frames.length - 1 ? go(here() + 1) : stop()), 120);
    };
    const nearest = (op) => film.frames.reduce((best, frame, i) => (Math.abs(frame.op - op) < Math.abs(film.frames[best].op - op) ? i : best), 0);

    const list = byId("figures");
    [{ key: "op", about: "operation" }, ...film.figures].forEach((figure) => {
        const group = list.appendChild(document.createElement("div"));
        group.appendChild(document.createElement("dt")).textContent = figure.about;
        group.appendChild(document.createElement("dd")).id = figure.key;
    });
    time.max = film.frames.length - 1;
    time.addEventListener("input", () => { stop(); show(here()); });
    play.addEventListener("click", toggle);
    byId("peak").addEventListener("click", () => { stop(); go(film.peak); });
    curves.addEventListener("click", (event) => {
        const box = curves.getBoundingClientRect(), scale = curves.viewBox.baseVal.width / box.width;
        const part = ((event.clientX - box.left) * scale - Number(curves.dataset.left)) / Number(curves.dataset.width);
        stop();
        go(nearest(part * film.ops));
    });
    const keys = { ArrowLeft: () => go(here() - 1), ArrowRight: () => go(here() + 1), Home: () => go(0), End: () => go(film.frames.length - 1), p: () => go(film.peak) };
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
        if (key === " " && event.target.tagName !== "BUTTON") toggle();
        else if (keys[key]) { stop(); keys[key](); }
        else return;
        event.preventDefault();
    });
    document.documentElement.classList.add("has-script");
    go(film.at);
})();
