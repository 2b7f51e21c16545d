"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const words = data.words;
  const fill = (text, slots) => text.replace(
    /\{(\w+)\}/g, (all, name) => (name in slots ? slots[name] : all));
  const HOUR = 3600e3;

  // The age is counted on this device, so that a page kept from yesterday says so.
  const place = document.getElementById("age");
  const made = place.innerHTML;
  let shown = "";
  const tellAge = () => {
    const hours = (Date.now() - new Date(data.issued)) / HOUR;
    const age = hours < -0.5 ? words.age_future
      : fill(words.age_hours, { hours: Math.max(0, Math.floor(hours)) });
    const lines = [made, `<span>${age}</span>`];
    const expired = Date.now() >= new Date(data.expires);
    if (expired) lines.unshift(words.expired);
    else if (hours >= 30) lines.unshift(words.stale);
    const marked = expired || hours >= 30 || hours < -0.5;
    const told = lines.join(" ");
    if (told === shown) return; // a screen reader says each change
    shown = told;
    place.innerHTML = told;
    place.classList.toggle("stale", marked);
    if (marked) place.parentNode.prepend(place);
    document.body.classList.toggle("late", marked);
    document.body.classList.toggle("old", expired);
  };
  tellAge();
  setInterval(tellAge, 60e3);

  // Chance that a stage is reached: a straight line over the normal quantile, the outer ones drawn out.
  const cdf = (z) => {
    const t = 1 / (1 + 0.3275911 * Math.abs(z) / Math.SQRT2);
    const poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t +
      0.254829592) * t;
    const erf = 1 - poly * Math.exp(-z * z / 2);
    return 0.5 * (1 + (z < 0 ? -erf : erf));
  };
  const chance = (quantiles, cm) => {
    let number = 1;
    while (number < quantiles.length - 1 && quantiles[number][1] < cm) number += 1;
    const [low, high] = [quantiles[number - 1], quantiles[number]];
    if (high[1] <= low[1]) return 1 - cdf(cm > high[1] ? high[0] : low[0]);
    return 1 - cdf(low[0] + (cm - low[1]) / (high[1] - low[1]) * (high[0] - low[0]));
  };
  const percent = (p) => {
    const key = p < 0.01 ? "below" : p > 0.99 ? "above" : "exact";
    const number = key === "below" ? 1 : key === "above" ? 99 : Math.round(100 * p);
    return fill(data.percent[key], { p: number });
  };

  const form = document.querySelector("#mark form");
  if (form && data.days && data.days.length) {
    form.hidden = false;
    const [field, slide] = [document.getElementById("height"), document.getElementById("slide")];
    const output = document.getElementById("chances");
    const key = `mekong-mark-${data.station}`;
    const all = [].concat(...data.days.map((day) => day.highest)).map((pair) => pair[1] / 100);
    if (data.stage !== null) all.push(data.stage);
    slide.min = Math.floor(Math.min(...all) - 1);
    slide.max = Math.ceil(Math.max(...all) + 1);
    const keep = (text) => {
      try {
        if (text) localStorage.setItem(key, text);
        else localStorage.removeItem(key);
      } catch (error) { /* private windows keep nothing */ }
    };
    // Khmer, Lao, Thai and Burmese digits, and a comma for the point: a phone may have no other.
    const read = () => {
      const text = field.value.trim().replace(/[០-៩໐-໙๐-๙၀-၉]/g, (digit) => digit.charCodeAt(0) % 16)
        .replace(",", ".");
      return text ? Number(text) : NaN;
    };
    const show = () => {
      const metres = read();
      // Centimetres, or a lost point, would seem to be safe from any flood.
      const sound = metres >= slide.min - 10 && metres <= Number(slide.max) + 10;
      keep(sound ? field.value : "");
      if (!sound) {
        output.textContent = field.value.trim()
          ? `${slide.getAttribute("aria-label")}: ${slide.min}–${slide.max}?` : "";
        return;
      }
      const cm = 100 * metres;
      const week = chance(data.days[data.days.length - 1].highest, cm);
      const above = data.stage !== null && data.stage >= metres;
      const lines = [[above ? words.mark_under
        : fill(words.mark_week, { days: data.days.length, p: percent(week) })]];
      const chances = data.days.map((day) => chance(day.day, cm));
      data.days.forEach((day, number) => {
        lines.push([fill(words.mark_day, { date: day.date, p: percent(chances[number]) }),
          day.beyond]);
      });
      const reached = above ? -1 : chances.findIndex((p) => p >= 0.5);
      if (above || reached >= 0) {
        const below = chances.findIndex((p, number) => number > reached && p < 0.5);
        lines.push(below >= 0
          ? [fill(words.mark_below, { date: data.days[below].date }), data.days[below].beyond]
          : [fill(words.mark_not_below, { days: data.days.length })]);
      }
      output.textContent = "";
      lines.forEach(([text, beyond], number) => {
        const line = document.createElement("span");
        line.textContent = (number ? "\n" : "") + text;
        if (beyond) line.className = "beyond"; // as in the table of days
        output.append(line);
      });
    };
    const set = (metres) => {
      field.value = metres;
      slide.value = read();
      show();
    };
    field.addEventListener("input", () => { slide.value = read(); show(); });
    slide.addEventListener("input", () => { field.value = slide.value; show(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const button of form.querySelectorAll("button[data-stage]")) {
      button.addEventListener("click", () => set(button.dataset.stage));
    }
    let kept = null;
    try { kept = localStorage.getItem(key); } catch (error) { /* as above */ }
    if (kept) set(kept);
    else slide.value = data.stage === null ? slide.min : data.stage;
  }

  const tools = document.getElementById("tools");
  if (tools) {
    tools.hidden = false;
    document.getElementById("print").addEventListener("click", () => print());
    document.getElementById("share").addEventListener("click", () => {
      const page = { title: document.title, url: location.href };
      if (navigator.share) navigator.share(page).catch(() => {});
      else if (navigator.clipboard) navigator.clipboard.writeText(location.href);
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => {
          const cell = row.children[column];
          return "sort" in cell.dataset ? cell.dataset.sort : cell.textContent;
        };
        const order = (a, b) => {
          const [one, other] = [value(a), value(b)];
          const difference = one && other ? one - other : NaN;
          return Number.isNaN(difference)
            ? one.localeCompare(other, document.documentElement.lang) : difference;
        };
        const rows = [...table.tBodies[0].rows].sort(order);
        table.tBodies[0].append(...(up ? rows : rows.reverse()));
      });
    });
  }

  // What the hourly watch saw since this page was made; nothing older, nothing that has expired.
  const since = document.getElementById("since");
  const names = data.names || {};
  const tellWatch = (seen) => {
    const asof = new Date(seen.asof);
    if (asof <= new Date(data.issued) || Date.now() >= new Date(seen.expires_at)) return;
    const here = (id) => !data.place || id === data.place;
    const lines = [];
    for (const row of seen.raised) {
      if (here(row.city)) lines.push(fill(words.since_raised, {
        city: names[row.city] || row.city, hazard: data.flood, level: data.levels[row.level],
      }));
    }
    for (const row of (seen.gauges || {}).over_alarm || []) {
      const id = data.gauges[row.station];
      if (id && here(id)) lines.push(fill(words.since_gauge, { city: names[id] }));
    }
    for (const row of seen.sudden || []) {
      const id = data.gauges[row.station];
      if (id && here(id)) lines.push(fill(words.since_sudden, {
        city: names[id], change: Math.abs(row.change_m), hours: row.hours,
      }));
    }
    for (const row of (seen.rain || {}).heavy || []) {
      if (here(row.city)) lines.push(fill(words.since_rain, {
        city: names[row.city] || row.city, depth: row.mm, hours: row.hours,
      }));
    }
    if (!lines.length) return;
    // On the clock of the page, wherever the phone is.
    const local = new Date(asof.getTime() + data.offset_h * HOUR);
    const format = (parts) => new Intl.DateTimeFormat(document.documentElement.lang,
      Object.assign({ timeZone: "UTC" }, parts)).format(local);
    lines.push(fill(words.since_seen, { date: format({ day: "numeric", month: "long" }),
      time: format({ hour: "2-digit", minute: "2-digit" }) }));
    since.textContent = lines.join("\n");
    since.hidden = false;
  };
  // Reports that came since.
  const tellReports = (seen) => {
    const row = seen.cities[data.place];
    if (!row || seen.status !== data.status || new Date(row.since) < new Date(data.since)) return;
    if (row.flooded + row.dry) {
      document.getElementById("reports").textContent = fill(words.reports_flooded, row);
    }
  };
  const load = (file, tell) => fetch(`${data.root}/${file}`, { cache: "no-cache" })
    .then((answer) => (answer.ok ? answer.json().then(tell) : null))
    .catch(() => {});
  if (location.protocol.startsWith("http")) {
    load("watch.json", tellWatch);
    if (data.place) load("reports.json", tellReports);
    if ("serviceWorker" in navigator) navigator.serviceWorker.register("../worker.js");
  }
})();
