// What the tests ask about a page. Chromium runs this before the scripts of each page.

window.checks = (() => {
  let shift = 0;
  const moved = new Set();
  const name = (node) => {
    if (!(node instanceof Element)) return node?.parentElement ? name(node.parentElement) : "?";
    return node.tagName.toLowerCase() + (node.id ? `#${node.id}` : "") + [...node.classList].map((one) => `.${one}`).join("");
  };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      shift += entry.value;
      for (const source of entry.sources) moved.add(name(source.node));
    }
  }).observe({ type: "layout-shift", buffered: true });

  const frame = () => new Promise((done) => requestAnimationFrame(done));

  /** Waits until nothing more is drawn, and says what was loaded. */
  async function loaded() {
    await document.fonts.ready;
    await frame();
    await frame();
    await new Promise((done) => setTimeout(done, 60));
    const [entry] = performance.getEntriesByType("navigation");
    return { status: entry.responseStatus, redirects: entry.redirectCount, url: location.href, shift, moved: [...moved] };
  }

  async function run(context) {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];
    const runOnly = { type: "tag", values: tags };
    // axe would make a selector for each element that it looked at, which takes half of its time.
    const options = { runOnly, resultTypes: ["violations"], preload: false, iframes: false, selectors: false, elementRef: true };
    const found = await axe.run(context, options);
    return found.violations.map(({ id, help, nodes }) =>
      `${id} (${help}): ${nodes.slice(0, 4).map((node) => `${name(node.element)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  }

  /** The rules of axe that the page breaks, with the elements. Folded parts are opened: axe passes over what is hidden. */
  async function broken(withMenus) {
    const menu = document.getElementById("menu");
    const group = document.querySelector("details.group");
    for (const details of document.querySelectorAll("main details")) details.open = true;
    const found = await run(document);
    if (!withMenus) return found;
    // The menus cover parts of the page, so they are opened for the masthead alone.
    const isFolded = menu && getComputedStyle(menu).display === "none";
    if (isFolded) menu.showPopover();
    if (group) group.open = true;
    if (isFolded || group) found.push(...await run(".masthead"));
    if (isFolded) menu.hidePopover();
    if (group) group.open = false;
    return found;
  }

  /** Texts of a chart that touch each other, and bars as wide as a page. */
  function crowded() {
    const found = [];
    for (const chart of document.querySelectorAll(".chart")) {
      for (const kind of [".value", ".when"]) {
        const boxes = [...chart.querySelectorAll(kind)].map((text) => [text.textContent, text.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0);
        if (!boxes.length) found.push(`no ${kind}`);
        boxes.slice(1).forEach(([text, box], at) => {
          if (box.left < boxes[at][1].right + 2) found.push(`${boxes[at][0]} and ${text} touch`);
        });
      }
      for (const bar of chart.querySelectorAll("rect")) if (bar.getBoundingClientRect().width > 60) found.push("a wide bar");
      if (chart.getBoundingClientRect().height > 160) found.push("a high chart");
    }
    return found;
  }

  /** What is wider than the window with the text spacing of WCAG 1.4.12. */
  async function tooWide() {
    const spacing = new CSSStyleSheet();
    spacing.replaceSync(
      "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }" +
      "p { margin-bottom: 2em !important; }");
    document.adoptedStyleSheets.push(spacing);
    await frame();
    const root = document.scrollingElement;
    const wide = root.scrollWidth <= root.clientWidth ? [] : [...document.body.querySelectorAll("*")]
      .filter((node) => node.getBoundingClientRect().right > root.clientWidth + 1).map(name);
    const result = root.scrollWidth <= root.clientWidth ? [] : [`${root.scrollWidth} > ${root.clientWidth}`, ...wide.slice(-6)];
    document.adoptedStyleSheets.pop();
    return result;
  }

  /** Entries of the navigation, tabs and presets that look like the current one, as a person with forced colors sees them. */
  function alsoCurrent() {
    const look = (link) => {
      const style = getComputedStyle(link);
      return [style.borderBottomColor, style.borderLeftWidth, style.fontWeight].join();
    };
    const found = [];
    for (const list of document.querySelectorAll(".mainnav > ul, .tabs ul")) {
      const links = [...list.querySelectorAll(":scope > li > a, :scope > li > details > summary")];
      const current = links.filter((link) => link.matches("[aria-current]") || link.parentElement.querySelector("[aria-current]"));
      const looks = current.map(look);
      for (const link of links) if (!current.includes(link) && looks.includes(look(link))) found.push(link.textContent);
    }
    return found;
  }

  /** Filters that stand elsewhere as long as those after them are missing: a browser draws a page while it loads. */
  function unsteady() {
    const parts = [...document.querySelectorAll(".filters .field, .filters .actions, .filters .exports")];
    const place = (part) => {
      const { x, y } = part.getBoundingClientRect();
      return `${Math.round(x)} ${Math.round(y)}`;
    };
    const places = parts.map(place);
    const found = new Set();
    for (let count = parts.length - 1; count > 0; count--) {
      parts[count].style.display = "none";
      for (let at = 0; at < count; at++) if (place(parts[at]) !== places[at]) found.add(parts[at].innerText.split("\n")[0]);
    }
    for (const part of parts) part.style.display = "";
    return [...found];
  }

  /** Rows that show nothing. */
  const emptyRows = () => [...document.querySelectorAll("main tr, main dl > div, main li")]
    .filter((row) => row.checkVisibility() && !row.textContent.trim() && !row.querySelector("input, select, img, button"))
    .map((row) => `${name(row.parentElement)} > ${name(row)}`);

  /** The forms that post, by the position of the form and its address. */
  const forms = () => [...document.forms].map((form, index) => [index, form])
    .filter(([, form]) => form.method === "post")
    .map(([index, form]) => ({ index, action: new URL(form.action).pathname }));

  /** Fills a form and sends it. Without `values`, empties its fields. */
  function send(index, values) {
    const form = document.forms[index];
    for (const field of form.elements) {
      if (!field.name || field.matches("button, output, fieldset, [type=hidden], [type=file], [type=radio], [type=checkbox]")) continue;
      if (field.tagName === "SELECT") {
        if (values && !field.value) field.selectedIndex = field.options.length - 1;
      } else if (!values) {
        field.value = "";
      } else if (values[field.name] !== undefined) {
        field.value = values[field.name];
      }
    }
    window.isOld = true;
    form.noValidate = true;
    form.requestSubmit([...form.elements].find((field) => field.type === "submit" && !field.hasAttribute("formaction")));
  }

  return { loaded, broken, tooWide, alsoCurrent, crowded, emptyRows, forms, send, unsteady };
})();
