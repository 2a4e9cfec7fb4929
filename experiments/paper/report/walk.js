// Moves the walk of a report: sliders, arrow keys and dragging choose the tile that every panel shows.
"use strict";
for (const walk of document.querySelectorAll(".walk")) {
  const tiles = walk.querySelector(".tiles");
  const sliders = [...walk.querySelectorAll("input")]; // axis 1: columns of the sheet; axis 2, if there is one: rows
  const columns = Number(sliders[0].max) + 1;

  const show = () => {
    const [column, row = 0] = sliders.map((slider) => Number(slider.value));
    tiles.style.setProperty("--at", row * columns + column);
    for (const slider of sliders) {
      const quantile = slider.dataset.quantiles.split(" ")[Number(slider.value)];
      slider.parentElement.querySelector("output").textContent = `${quantile} quantile`;
      slider.setAttribute("aria-valuetext", `${quantile} quantile`);
    }
  };
  const move = (axis, value) => {
    if (sliders[axis]) sliders[axis].value = Math.round(value); // a range keeps to its ends
    show();
  };

  const keys = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] };
  tiles.addEventListener("keydown", (event) => {
    const [axis, step] = keys[event.key] ?? [];
    if (!sliders[axis]) return;
    event.preventDefault();
    move(axis, Number(sliders[axis].value) + step);
  });

  let start = null; // where a drag began, and the values there
  tiles.addEventListener("pointerdown", (event) => {
    start = { x: event.clientX, y: event.clientY, values: sliders.map((slider) => Number(slider.value)) };
    tiles.setPointerCapture(event.pointerId);
  });
  tiles.addEventListener("pointermove", (event) => {
    if (!start) return;
    const whole = Math.min(tiles.clientWidth, 320); // pixels from end to end
    const moved = [event.clientX - start.x, event.clientY - start.y];
    sliders.forEach((slider, axis) => move(axis, start.values[axis] + (moved[axis] / whole) * Number(slider.max)));
  });
  for (const end of ["pointerup", "pointercancel"]) tiles.addEventListener(end, () => (start = null));

  for (const slider of sliders) slider.addEventListener("input", show);
  tiles.tabIndex = 0;
  tiles.setAttribute("role", "group");
  tiles.setAttribute("aria-label", "Images; the arrow keys move beta");
  walk.querySelector(".sliders").hidden = false;
  show();
}
