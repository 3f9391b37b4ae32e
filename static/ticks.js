// Rows with a box to tick: tick all, a range with Shift, and a count.
//
// The inbox shows the count beside its buttons. The list of BOLs also keeps its ticks while the reader searches or turns
// pages: in this tab, for this user, until they are used or cleared.

const bar = document.querySelector("[data-ticks]");
const form = bar?.closest("form");
const boxes = [...(form?.elements ?? [])].filter((field) => field.type === "checkbox" && ["document", "number"].includes(field.name));

const MAX_KEPT = 500;
const store = bar?.dataset.ticks;
/** Pounds that count toward the total, by number of the BOL. */
const kept = new Map(store ? read() : []);

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(store) ?? "[]");
  } catch {
    return [];
  }
}

function save() {
  try {
    // Another user of this tab sees none of them.
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith("ticks ") && key !== store) sessionStorage.removeItem(key);
    }
    sessionStorage.setItem(store, JSON.stringify([...kept]));
  } catch {
    // Without storage, the ticks last as long as the page.
  }
}

function tons(pounds) {
  const hundredths = Math.floor((pounds + 10) / 20);
  const whole = Math.floor(hundredths / 100).toLocaleString("en-US");
  return `${whole}.${String(hundredths % 100).padStart(2, "0")}`;
}

function begin() {
  const all = document.createElement("input");
  all.type = "checkbox";
  const text = bar.querySelector("output") ?? document.createElement("span");
  const matches = form.querySelector("input[name=all]");
  const head = form.querySelector("th.tick");
  if (head) {
    all.setAttribute("aria-label", "Select all on this page");
    head.replaceChildren(all);
  } else {
    const label = document.createElement("label");
    label.className = "check";
    label.append(all, text);
    bar.prepend(label);
  }
  let last = null;

  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    if (!store) {
      text.textContent = ticked ? `${ticked} of ${boxes.length} selected` : "Select all on this page";
      return;
    }
    const count = kept.size;
    form.classList.toggle("has-ticks", count > 0);
    const sum = [...kept.values()].reduce((sum, pounds) => sum + pounds, 0);
    const elsewhere = count - ticked;
    text.textContent = matches?.checked
      ? `${matches.dataset.count} BOLs${matches.dataset.tons ? ` · ${matches.dataset.tons} net tons` : ""}`
      : `${count} ${count === 1 ? "BOL" : "BOLs"} · ${tons(sum)} net tons${elsewhere > 0 ? ` · ${elsewhere} not on this page` : ""}`;
  };

  const keep = (box) => {
    if (!store) return;
    if (!box.checked) kept.delete(box.value);
    else if (kept.size < MAX_KEPT) kept.set(box.value, Number(box.dataset.lb));
    else box.checked = false;
  };
  const set = (some, checked) => {
    for (const box of some) {
      box.checked = checked;
      keep(box);
    }
  };

  if (store) for (const box of boxes) box.checked = kept.has(box.value);
  all.addEventListener("change", () => {
    set(boxes, all.checked);
    save();
    show();
  });
  boxes.forEach((box, index) => {
    box.addEventListener("click", (event) => {
      const range = event.shiftKey && last !== null;
      set(range ? boxes.slice(Math.min(last, index), Math.max(last, index) + 1) : [box], box.checked);
      last = index;
      save();
      show();
    });
  });
  matches?.addEventListener("change", show);
  bar.querySelector("button[data-clear]")?.addEventListener("click", (event) => {
    event.preventDefault();
    kept.clear();
    if (matches) matches.checked = false;
    set(boxes, false);
    save();
    show();
    boxes[0]?.focus();
  });
  // Ticks of other pages are sent too.
  form.addEventListener("formdata", (event) => {
    if (!store || matches?.checked) return;
    const here = new Set(boxes.map((box) => box.value));
    for (const number of kept.keys()) if (!here.has(number)) event.formData.append("number", number);
  });
  // The page may come from the browser's memory, with ticks that were changed since.
  window.addEventListener("pageshow", (event) => {
    if (!store || !event.persisted) return;
    kept.clear();
    for (const [number, pounds] of read()) kept.set(number, pounds);
    for (const box of boxes) box.checked = kept.has(box.value);
    show();
  });
  show();
}

// A confirmed assignment has used the ticks.
if (store && new URLSearchParams(location.search).get("done") === "assigned") {
  kept.clear();
  save();
}
if (boxes.length) begin();
