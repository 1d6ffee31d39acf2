// SPDX-License-Identifier: Apache-2.0
// Everything can be read without this: it filters, sorts and zooms.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const theme = document.getElementById("theme");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); });
  label();

  const table = document.getElementById("site-table");
  if (table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const filter = document.getElementById("filter");
    const status = document.getElementById("filter-status");
    const ends = [...document.querySelectorAll("#ends button")];
    const apply = () => {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const end = ends.find((button) => button.getAttribute("aria-pressed") === "true").dataset.end;
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !(wanted.every((word) => text.includes(word)) && (end === "" || Number(row.dataset[end]) > 0));
        if (!row.hidden) ++shown;
      }
      status.textContent = shown === rows.length ? "" : shown + " of " + rows.length + " shown";
    };
    filter.addEventListener("input", apply);
    for (const button of ends) {
      button.addEventListener("click", () => {
        for (const other of ends) other.setAttribute("aria-pressed", String(other === button));
        apply();
      });
    }
    for (const header of table.tHead.rows[0].cells) {
      const button = header.querySelector("button");
      if (!button) continue;
      button.addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") !== "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = button.dataset.key;
        const value = (row) => key === "name" ? row.cells[1].textContent : Number(row.dataset[key]);
        const order = (a, b) => value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0;
        rows.sort((a, b) => down ? order(b, a) : order(a, b));
        body.append(...rows);
      });
    }
  }

  const flame = document.getElementById("flame");
  if (flame) {
    const frames = [...flame.querySelectorAll(".frame")];
    const status = document.getElementById("flame-status");
    const reset = document.getElementById("flame-reset");
    const box = (frame) => [Number(frame.dataset.x), Number(frame.dataset.w)];
    const level = (frame) => Number(frame.dataset.level);
    let focus = frames[0];
    const show = (frame) => { status.textContent = frame.getAttribute("aria-label"); };
    const zoom = (to) => {
      const [left, width] = box(to);
      for (const frame of frames) {
        const [x, w] = box(frame);
        const above = level(frame) < level(to) && x <= left + 1e-9 && x + w >= left + width - 1e-9;
        const inside = x >= left - 1e-9 && x + w <= left + width + 1e-9 && level(frame) >= level(to);
        frame.setAttribute("x", above ? "0%" : (x - left) / width * 100 + "%");
        frame.setAttribute("width", above ? "100%" : inside ? w / width * 100 + "%" : "0%");
        frame.setAttribute("display", above || inside ? "inline" : "none");
        frame.classList.toggle("faded", above);
      }
      reset.disabled = to === frames[0];
    };
    const take = (frame) => {
      focus.setAttribute("tabindex", "-1");
      focus = frame;
      focus.setAttribute("tabindex", "0");
      focus.focus();
      // A page without the window's focus gets no event of it.
      show(frame);
    };
    const visible = (frame) => frame.getAttribute("display") !== "none";
    const near = (from, step) => {
      const middle = box(from)[0] + box(from)[1] / 2;
      const there = frames.filter((frame) => level(frame) === level(from) + step && visible(frame));
      return there.find((frame) => box(frame)[0] <= middle && middle < box(frame)[0] + box(frame)[1]) ||
        (step > 0 ? there.find((frame) => box(frame)[0] >= box(from)[0] && box(frame)[0] < box(from)[0] + box(from)[1]) : undefined);
    };
    const beside = (from, step) => {
      const row = frames.filter((frame) => level(frame) === level(from) && visible(frame))
        .sort((a, b) => box(a)[0] - box(b)[0]);
      return row[row.indexOf(from) + step];
    };
    for (const frame of frames) {
      frame.addEventListener("mouseenter", () => show(frame));
      frame.addEventListener("focus", () => show(frame));
      frame.addEventListener("click", () => { take(frame); zoom(frame); });
      frame.addEventListener("keydown", (event) => {
        const next = { ArrowDown: () => near(frame, 1), ArrowUp: () => near(frame, -1),
          ArrowLeft: () => beside(frame, -1), ArrowRight: () => beside(frame, 1) }[event.key];
        if (next) {
          const target = next();
          if (target) take(target);
        } else if (event.key === "Enter" || event.key === " ") {
          zoom(frame);
        } else if (event.key === "Escape") {
          zoom(frames[0]);
        } else {
          return;
        }
        event.preventDefault();
      });
    }
    reset.addEventListener("click", () => { zoom(frames[0]); take(frames[0]); });
    reset.disabled = true;
  }
})();
