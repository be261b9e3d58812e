// The page's own script; without it the page is complete, but does not react.
// Charts: the values at the step under the pointer, in all charts over the same steps at once. Tables: sorting.
(() => {
  "use strict";
  const charts = [...document.querySelectorAll(".chart[data-unit]")].map((root) => ({
    root,
    unit: root.dataset.unit,
    end: Number(root.dataset.end),
    step: root.querySelector(".across b"),
    plots: [...root.querySelectorAll(".plot")].map((plot) => {
      const cursor = document.createElement("i");
      cursor.className = "cursor";
      cursor.hidden = true;
      plot.append(cursor);
      return { plot, cursor };
    }),
    labels: [...root.querySelectorAll(".end[data-points]")].map((label) => {
      const [x, y] = JSON.parse(label.dataset.points);
      const value = label.querySelector("b");
      return { x, y, value, last: value.textContent };
    }),
  }));

  function digits(value) {
    if (value === 0) return "0";
    if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
    return Math.abs(value) < 0.001 ? value.toExponential(1) : value.toPrecision(3);
  }

  function nearest(x, step) {
    let low = 0, high = x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle] < step) low = middle; else high = middle;
    }
    return step - x[low] < x[high] - step ? low : high;
  }

  function show(unit, step) {
    for (const chart of charts) {
      if (chart.unit !== unit) continue;
      const inside = step <= chart.end;
      chart.step.textContent = ` at ${Math.round(step).toLocaleString("en")}`;
      for (const { cursor } of chart.plots) {
        cursor.hidden = !inside;
        cursor.style.left = `${(100 * step) / chart.end}%`;
      }
      for (const label of chart.labels) label.value.textContent = digits(label.y[nearest(label.x, step)]);
    }
    for (const slider of sliders) if (slider.dataset.unit === unit) slider.value = step;
  }

  function rest(unit) {
    for (const chart of charts) {
      if (chart.unit !== unit) continue;
      chart.step.textContent = "";
      for (const { cursor } of chart.plots) cursor.hidden = true;
      for (const label of chart.labels) label.value.textContent = label.last;
    }
    for (const slider of sliders) if (slider.dataset.unit === unit) slider.value = slider.max;
  }

  // The keyboard's way to the same: one slider for each unit of steps, in the bar of contents.
  const bar = document.querySelector("nav.contents-bar");
  const sliders = [...new Set(charts.map((chart) => chart.unit))].filter(() => bar).map((unit) => {
    const label = document.createElement("label");
    const slider = document.createElement("input");
    const end = Math.max(...charts.filter((chart) => chart.unit === unit).map((chart) => chart.end));
    Object.assign(slider, { type: "range", min: 0, max: end, step: end / 200, value: end });
    slider.dataset.unit = unit;
    label.append(`Values at ${unit} `, slider);
    bar.append(label);
    slider.addEventListener("input", () => show(unit, Number(slider.value)));
    return slider;
  });

  for (const chart of charts) {
    for (const { plot } of chart.plots) {
      const follow = (event) => {
        const box = plot.getBoundingClientRect();
        const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
        show(chart.unit, share * chart.end);
      };
      plot.addEventListener("pointermove", follow);
      plot.addEventListener("pointerdown", follow);
    }
    chart.root.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && rest(chart.unit));
  }

  const number = (text) => {
    const found = parseFloat(text.replace(/,/g, ""));
    return Number.isNaN(found) ? null : found;
  };

  function compare(a, b) {
    const [x, y] = [number(a), number(b)];
    if (x !== null && y !== null) return y - x; // the highest first
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return a.localeCompare(b);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    table.classList.add("ready");
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const turned = head.getAttribute("aria-sort") === "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", turned ? "ascending" : "descending");
        const text = (row) => row.cells[column].dataset.sort || row.cells[column].textContent.trim();
        const rows = [...table.tBodies[0].rows].sort((a, b) => compare(text(a), text(b)) * (turned ? -1 : 1));
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
