"use strict";
// The page works without this script. Text from others is only ever set as text, never parsed as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const LEVELS = ["critical", "high", "unknown", "low", "none"];
  const VIEWS = {
    matrix: "Matrix", grants: "Grants", applications: "Applications", apis: "APIs", tenants: "Tenants side by side",
    findings: "Findings",
  };
  const PAGE = 100;
  const MAX_MATRIX_CELLS = 60000;
  const MAX_FIRST_MATRIX_CELLS = 6000;
  const REVIEW = ["Keep", "Remove", "Reviewer", "Date"];
  const several = data.tenants.length > 1;

  // ---- rows

  const rows = data.rows.map((row) => {
    const value = {};
    data.fields.forEach((name, index) => {
      value[name] = name === "line" ? row[index] : data.values[row[index]];
    });
    const [application, clientId, thirdParty, name] = value.application;
    const [api, audience, lifetime, apiName] = value.api;
    const [scopes, scopeLevels, scopeCount] = value.scopes;
    const [level, risks, state, stateText, guard, tags] = value.status;
    const [subject, settings] = value.settings;
    const [file, link] = value.file;
    const [changed, message, request, requestLink] = value.change;
    const { since, tenant } = value;
    return {
      tenant, application, clientId, thirdParty, api, audience, level, scopeLevels, scopes, risks,
      lifetime, scopeCount, subject, settings, state, stateText, guard, file, link, since, changed, message,
      request, requestLink, line: value.line, description: value.description, tags, name: name || application, apiName: apiName || api, text: "",
    };
  });
  const searchText = (row) => {
    row.text ||= [
      row.tenant, row.application, row.clientId, row.api, row.audience, row.level, row.scopes.join(" "),
      row.risks.join(" "), row.settings.join(" "), row.stateText, row.guard, where(row), row.description, row.changed,
      row.message, row.request, row.since,
    ].join("\n").toLowerCase();
    return row.text;
  };
  const where = (row) => (row.file ? `${row.file}:${row.line}` : "");

  // ---- state in the fragment

  const DEFAULTS = {
    view: "", q: "", tenant: "", level: "", state: "", tag: "", app: "", api: "", sort: "level", dir: "up", all: "",
  };
  let view = { ...DEFAULTS };
  const read = () => {
    const found = { ...DEFAULTS };
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      if (Object.hasOwn(DEFAULTS, name)) found[name] = value;
    }
    if (!Object.hasOwn(VIEWS, found.view)) found.view = "";
    return found;
  };
  const hash = (changes, from = DEFAULTS) => {
    const target = { ...from, ...changes };
    const parts = new URLSearchParams();
    for (const name of Object.keys(DEFAULTS)) {
      if (target[name] !== DEFAULTS[name]) parts.set(name, target[name]);
    }
    return `#${parts}`;
  };
  const go = (changes, replace = false) => {
    const target = hash(changes, view);
    const focused = document.activeElement?.dataset.focus;
    if (replace) history.replaceState(null, "", target);
    else location.hash = target;
    show();
    if (focused) (document.querySelector(`[data-focus="${focused}"]`) ?? search).focus();
  };

  // ---- elements

  const el = (name, properties = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (value === undefined) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key === "class") element.className = value;
      else element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== ""));
    return element;
  };
  const anchor = (label, url) =>
    /^https?:\/\//.test(url) ? el("a", { href: url, rel: "noopener noreferrer" }, label) : label;
  const small = (text) => (text ? el("small", {}, text) : "");
  const levelText = (level) => `${data.symbols[level]} ${level}`.trim();
  const badge = (level) => el("span", { class: `badge ${level}` }, levelText(level));
  const worst = (list) => LEVELS[Math.min(...list.map((row) => LEVELS.indexOf(row.level)))] ?? "none";
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const groupBy = (list, key) => {
    const groups = new Map();
    for (const row of list) {
      const name = key(row);
      if (groups.has(name)) groups.get(name).push(row);
      else groups.set(name, [row]);
    }
    return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  const unread = () =>
    data.tenants.filter((tenant) => !tenant.read && (!view.tenant || tenant.name === view.tenant));

  // ---- filter and sort

  const SORTS = {
    level: (row) => LEVELS.indexOf(row.level), tenant: (row) => row.tenant, application: (row) => row.application,
    api: (row) => row.api, scopes: (row) => (row.scopes[0].startsWith("all scopes") ? 1e9 : row.scopeCount),
    state: (row) => row.state, declared: where, changed: (row) => row.changed.slice(11),
  };
  const filtered = () => {
    const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter(
      (row) =>
        (!view.tenant || row.tenant === view.tenant) && (!view.level || row.level === view.level) &&
        (!view.state || row.state === view.state) && (!view.app || row.application === view.app) &&
        (!view.api || row.api === view.api) && (!view.tag || row.tags.includes(view.tag)) &&
        (!words.length || words.every((word) => searchText(row).includes(word))),
    );
  };
  const sorted = (list) => {
    const key = SORTS[view.sort] ?? SORTS.level;
    const sign = view.dir === "down" ? -1 : 1;
    return list  // the rows are sorted by name, and sorting is stable
      .map((row) => [key(row), row])
      .sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0))
      .map(([, row]) => row);
  };

  // ---- views

  const scopeList = (row) =>
    el("span", { class: "scopes" }, ...row.scopes.flatMap((scope, index) => {
      const level = row.scopeLevels[index] ?? (row.scopes[0].startsWith("all scopes") ? "high" : "");
      const mark = level === "critical" || level === "high" ? `${data.symbols[level]} ` : "";
      return [el("code", { class: level }, mark + scope), " "];
    }));
  const COLUMNS = [
    ["level", "Risk", (row) => [badge(row.level), small(row.risks.join("; "))]],
    ["application", "Application", (row) => [row.application, small(row.clientId !== row.application ? row.clientId : "")]],
    ["api", "API", (row) => [row.api, small(row.audience !== row.api ? row.audience : ""), small(`tokens valid: ${row.lifetime}`)]],
    ["scopes", "Scopes", (row) => [scopeList(row), small(row.settings.join("; "))]],
    ["state", "State", (row) => [
      el("span", { class: `state ${row.state}` }, row.state),
      small(row.stateText === row.state ? data.meanings[row.state] : row.stateText.slice(row.state.length + 2)),
      small(row.guard && !row.stateText.includes(row.guard.split(": ").slice(1).join(": ")) ? `guard: ${row.guard}` : ""),
    ]],
    ["declared", "Declared", (row) => [
      row.file ? anchor(where(row), row.link && `${row.link}#L${row.line}`) : "no file", small(row.description),
    ]],
    ["changed", "Last change", (row) => [
      row.changed, row.request ? " " : "", row.request ? anchor(`request ${row.request}`, row.requestLink) : "",
      small(row.message), small(row.since && `declared since ${row.since}`),
    ]],
  ];
  if (several) COLUMNS.splice(1, 0, ["tenant", "Tenant", (row) => [row.tenant]]);

  const sortHeader = ([name, label]) => {
    const active = view.sort === name;
    const turn = () => go({ sort: name, dir: active && view.dir === "up" ? "down" : "up" });
    const sort = active ? (view.dir === "up" ? "ascending" : "descending") : "none";
    return el("th", { scope: "col", role: "columnheader", "aria-sort": sort },
      el("button", { type: "button", "data-focus": `sort-${name}`, onclick: turn }, label));
  };
  const tableRow = (row, columns) =>
    el("tr", { role: "row" },
      ...columns.map(([name, label, cell]) =>
        name === "application"
          ? el("th", { scope: "row", role: "rowheader" }, ...cell(row))
          : el("td", { role: "cell", class: `c-${name}`, "data-label": label }, ...cell(row))),
      ...REVIEW.map(() => el("td", { class: "review", role: "cell" })));
  const tableOf = (list, columns, header, label) => {
    const body = el("tbody", { role: "rowgroup" });
    const table = el("table", { class: "cards", role: "table" },
      el("caption", {}, label),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
        ...columns.map(header),
        ...REVIEW.map((name) => el("th", { scope: "col", role: "columnheader", class: "review" }, name)))),
      body);
    let shown = 0;
    const more = el("button", { type: "button", class: "more" });
    const add = (number) => {
      const next = list.slice(shown, shown + number);
      body.append(...next.map((row) => tableRow(row, columns)));
      shown += next.length;
      more.hidden = shown >= list.length;
      more.textContent = `Show more (${(list.length - shown).toLocaleString("en")} left)`;
    };
    more.addEventListener("click", () => add(PAGE * 5));
    add(PAGE);
    printers.push(() => add(list.length));
    return [el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table), more];
  };
  let printers = [];
  addEventListener("beforeprint", () => printers.forEach((print) => print()));

  const plainHeader = ([, label]) => el("th", { scope: "col", role: "columnheader" }, label);

  const matrixView = (list) => {
    const apis = [...groupBy(list, (row) => row.api).keys()];
    const groups = groupBy(list, (row) => row.application);
    if (groups.size * apis.length > MAX_MATRIX_CELLS) {
      return [el("p", {}, `The matrix would have ${count(groups.size * apis.length, "cell")}. Filter the grants first.`)];
    }
    const gap = unread().length ? "?" : "";
    const cell = (application, api, found) => {
      if (!found) return el("td", {}, gap);
      const level = worst(found);
      const all = found.some((row) => row.scopes[0].startsWith("all scopes"));
      const scopes = new Set(found.flatMap((row) => row.scopes));
      const number = all ? "all" : found.every((row) => !row.scopeCount) ? 0 : scopes.size;
      const missing = found.every((row) => row.state === "missing" || row.tags.includes("no-effect")) ? " (no access)" : "";
      const text = `${number}${data.symbols[level] ? ` ${data.symbols[level]}` : ""}${missing ? " –" : ""}`;
      const label = `${application}, ${api}: ${number} scopes, risk ${level}${missing}`;
      return el("td", { class: level },
        el("a", { href: hash({ view: "grants", app: application, api }, { ...view, q: view.q }), "aria-label": label, title: label }, text));
    };
    const body = [...groups].map(([application, found]) => {
      const byApi = new Map();
      for (const row of found) byApi.set(row.api, [...(byApi.get(row.api) ?? []), row]);
      return el("tr", {}, el("th", { scope: "row", title: application }, application),
        ...apis.map((api) => cell(application, api, byApi.get(api))));
    });
    const legend = LEVELS.filter((level) => data.symbols[level]).map((level) => `${data.symbols[level]} ${level}`).join(", ");
    return [
      el("p", { class: "status" }, `Each cell is the number of scopes with the worst risk: ${legend}. “–” means no access: the tenant lacks the grant, or the grant has no effect.` +
        (gap ? " “?” means not known, because a tenant was not read." : "")),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Matrix" },
        el("table", { class: "matrix" }, el("caption", {}, "Applications and APIs"),
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Application"),
            ...apis.map((api) => el("th", { scope: "col", title: api }, el("span", {}, api))))),
          el("tbody", {}, ...body))),
    ];
  };

  const groupView = (list, key, other, label) => {
    const columns = COLUMNS.filter(([name]) => name !== key);
    return [...groupBy(list, (row) => row[key])].map(([name, found], index, all) => {
      const box = el("details", { class: "group" });
      const others = new Set(found.map((row) => row[other])).size;
      box.append(el("summary", {}, name, " ", badge(worst(found)), el("small", {}, `${count(found.length, "grant")}, ${count(others, label)}`)));
      const fill = () => {
        if (box.childElementCount === 1) box.append(...tableOf(sorted(found), columns, plainHeader, `Grants of ${name}`));
      };
      box.addEventListener("toggle", fill);
      printers.push(() => { box.open = true; fill(); });
      if (all.length === 1) { box.open = true; fill(); }
      return box;
    });
  };

  const sideBySide = (list) => {
    const names = data.tenants.map((tenant) => tenant.name).filter((name) => !view.tenant || name === view.tenant);
    const key = (row) => `${row.name}\n${row.apiName}\n${row.subject}`;
    const text = (row) => [...row.scopes, ...row.settings].sort().join(" ");
    const read = new Map(data.tenants.map((tenant) => [tenant.name, tenant.read]));
    // a grant whose names are unknown in one tenant may be the same as a named grant of another tenant
    const named = data.tenants.every((tenant) => tenant.named || !names.includes(tenant.name));
    const lines = [];
    for (const found of groupBy(list, key).values()) {
      const cells = names.map((name) => found.filter((row) => row.tenant === name && row.state !== "missing"));
      const texts = cells.map((each) => each.map(text).join("\n"));
      const differs = texts.some((each) => each !== texts[0]);
      if (differs || view.all) lines.push([found[0], cells, differs]);
    }
    const shown = lines.slice(0, 2000);
    const row = ([first, cells, differs]) => el("tr", {},
      el("th", { scope: "row" }, `${first.name} → ${first.apiName}`, small(first.subject === "client" ? "" : first.subject)),
      ...cells.map((each, index) => el("td", {}, ...(each.length
        ? each.flatMap((one) => [scopeList(one), small(one.settings.join("; ")), small(one.state === "unknown" ? one.stateText : "")])
        : [named && read.get(names[index]) ? el("span", { class: "only" }, "— not granted") : el("span", { class: "badge unknown" }, "? not known")]))),
      el("td", {}, differs ? "differs" : "equal"));
    const toggle = el("button", { type: "button", "data-focus": "all", onclick: () => go({ all: view.all ? "" : "1" }) },
      view.all ? "Show differences only" : "Show all grants");
    return [
      el("p", { class: "status" }, `Compared by name: ${count(lines.length, "grant")}${view.all ? "" : " that differ"}` +
        (shown.length < lines.length ? `, of which ${shown.length} are shown. ` : ". "), toggle),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tenants side by side" },
        el("table", {}, el("caption", {}, "Tenants side by side"),
          el("thead", {}, el("tr", {}, ...["Grant", ...names, "Comparison"].map((name) => el("th", { scope: "col" }, name)))),
          el("tbody", {}, ...shown.map(row)))),
    ];
  };

  const original = document.getElementById("static");
  const findingsList = original.querySelector("ul");
  const findingsView = () => {
    const list = findingsList.cloneNode(true);
    const links = Object.entries(data.tags).map(([tag, meaning]) => [tag, meaning, rows.filter((row) => row.tags.includes(tag)).length])
      .filter(([, , number]) => number)
      .map(([tag, meaning, number]) => el("li", {}, el("a", { href: hash({ view: "grants", tag }) }, `${meaning} (${number.toLocaleString("en")})`)));
    return links.length ? [list, el("h2", {}, "Show the grants of a finding"), el("ul", {}, ...links)] : [list];
  };

  // ---- CSV

  const FORMULA = /(^|[;,\t"'|])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])/g;
  const csvCell = (text) => `"${String(text).replace(FORMULA, "$1$2'$3").replaceAll('"', '""')}"`;
  const csv = (list) => {
    const columns = ["tenant", "application", "clientId", "thirdParty", "api", "audience", "subject", "scopes", "settings",
      "stateText", "level", "risks", "lifetime", "where", "description", "since", "changed", "message", "request"];
    const cell = (row, name) => (name === "where" ? where(row) : Array.isArray(row[name]) ? row[name].join(name === "scopes" ? " " : "; ") : row[name]);
    const lines = [columns, ...list.map((row) => columns.map((name) => cell(row, name)))];
    return lines.map((line) => `${line.map(csvCell).join(",")}\r\n`).join("");
  };
  const download = () => {
    const url = URL.createObjectURL(new Blob([csv(sorted(filtered()))], { type: "text/csv;charset=utf-8" }));
    const link = el("a", { href: url, download: "access.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // ---- controls

  const nav = document.getElementById("views");
  const controls = el("div", { class: "controls", role: "search" });
  const status = el("p", { class: "status", role: "status", "aria-live": "polite" });
  const chips = el("p", { class: "status" });
  const target = el("section", {});
  const search = el("input", { type: "search", placeholder: "Names, scopes, files, authors …" });
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => go({ q: search.value, view: view.view === "findings" ? "grants" : view.view }, true), 120);
  });
  const select = (name, label, values) => {
    const box = el("select", { onchange: (event) => go({ [name]: event.target.value }) },
      el("option", { value: "" }, "all"), ...values.map((value) => el("option", { value }, value)));
    return [box, el("label", {}, label, box), name];
  };
  const present = (key, order) => order.filter((value) => rows.some((row) => row[key] === value));
  const selects = [
    ...(several ? [select("tenant", "Tenant", data.tenants.map((tenant) => tenant.name))] : []),
    select("level", "Risk", present("level", LEVELS)),
    select("state", "State", present("state", Object.keys(data.meanings))),
  ];
  controls.append(el("label", {}, "Search", search), ...selects.map(([, label]) => label),
    el("button", { type: "button", onclick: download }, "Download CSV"),
    el("button", { type: "button", onclick: () => { location.hash = hash({ view: view.view }); show(); } }, "Clear filters"));

  const chip = (name, text) =>
    el("button", { type: "button", class: "chip", "data-focus": `chip-${name}`, onclick: () => go({ [name]: "" }) }, `${text} ✕ remove filter`);

  const tabs = Object.entries(VIEWS).filter(([each]) => several || each !== "tenants")
    .map(([each, label]) => [each, el("a", {}, label)]);
  let shownHash = "";
  const show = () => {
    view = read();
    shownHash = location.hash;
    const name = view.view || first;
    for (const [each, tab] of tabs) {
      tab.href = hash({ view: each, sort: "level", dir: "up" }, view);
      if (each === name) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    if (document.activeElement !== search) search.value = view.q;
    for (const [box, , filter] of selects) box.value = view[filter];
    chips.replaceChildren(...[["app", `application: ${view.app}`], ["api", `API: ${view.api}`], ["tag", `only: ${data.tags[view.tag] ?? view.tag}`]]
      .filter(([filter]) => view[filter]).map(([filter, text]) => chip(filter, text)));
    printers = [];
    const list = filtered();
    const missing = list.filter((row) => row.state === "missing").length;
    status.textContent = `${list.length.toLocaleString("en")} of ${count(rows.length, "grant")}` +
      (missing ? `; ${missing.toLocaleString("en")} of them missing in the tenant` : "") +
      (unread().length ? `; the grants of ${unread().map((tenant) => tenant.name).join(", ")} are not known` : "");
    const make = {
      matrix: () => matrixView(list),
      grants: () => tableOf(sorted(list), COLUMNS, sortHeader, "Grants"),
      applications: () => groupView(list, "application", "api", "API"),
      apis: () => groupView(list, "api", "application", "application"),
      tenants: () => sideBySide(list),
      findings: findingsView,
    };
    target.replaceChildren(el("h2", {}, VIEWS[name]), ...make[name]());
  };

  const cells = new Set(rows.map((row) => row.application)).size * new Set(rows.map((row) => row.api)).size;
  const first = !rows.length ? "findings" : cells > MAX_FIRST_MATRIX_CELLS ? "grants" : "matrix";

  for (const card of document.querySelectorAll("[data-tag]")) {
    const tag = card.dataset.tag;
    if (Object.hasOwn(data.tags, tag) && rows.some((row) => row.tags.includes(tag))) {
      const number = card.querySelector("dd span");
      const link = el("a", { href: hash({ view: "grants", tag }) }, number.textContent);
      number.replaceChildren(link);
    }
  }
  nav.append(...tabs.map(([, tab]) => tab));
  nav.hidden = false;
  original.replaceWith(controls, chips, status, target);
  addEventListener("hashchange", () => location.hash === shownHash || show());
  show();
  setTimeout(() => rows.forEach(searchText), 50);
})();
