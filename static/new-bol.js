// The form for a new BOL works without this script. The script fills in what follows from a choice, and shows net tons.

const form = document.getElementById("bolform");
const field = (name) => form.elements.namedItem(name);
let sending = false;
let changed = false;

// ---- Fields that follow from a choice ----

/**
 * Fills a field that is empty, or that still holds what the page or the last choice filled in. Never overwrites what was
 * typed. Without a value, clears what was filled in: the chemistry of another lot would be wrong.
 */
const followed = new Map();
function follow(name, value = "") {
  const target = field(name);
  if (target.value === "" || target.value === (followed.get(name) ?? target.defaultValue)) {
    target.value = value;
    followed.set(name, value);
  }
}

function known(input) {
  const wanted = input.value.trim().toLowerCase();
  return [...input.list.options].filter((option) => option.value.toLowerCase() === wanted);
}

field("lot").addEventListener("change", (event) => follow("chemistry", known(event.target)[0]?.dataset.chemistry));
field("carrier").addEventListener("change", (event) => follow("carrier_scac", known(event.target)[0]?.dataset.scac));
field("truck_number").addEventListener("change", (event) => {
  // Two carriers can use the same truck number: the carrier on the form decides, if there is one.
  const carrier = field("carrier").value.trim().toLowerCase();
  const trucks = known(event.target).filter((truck) => carrier === "" || truck.dataset.carrier.toLowerCase() === carrier);
  const truck = trucks.length === 1 ? trucks[0] : undefined;
  follow("trailer_number", truck?.dataset.trailer);
  if (truck && carrier === "") {
    follow("carrier", truck.dataset.carrier);
    follow("carrier_scac", known(field("carrier"))[0]?.dataset.scac);
  }
});
// A select can be walked through with the arrow keys, so it takes effect when the user leaves it.
function explainPick() {
  const hint = document.getElementById("pick-hint");
  if (hint) hint.textContent = "Replaces Ship to when you leave this list.";
}
explainPick();
form.addEventListener("focusout", (event) => {
  if (event.target.id === "pick" && event.target.value) field("ship_to").value = event.target.value;
});

// ---- Copying from the customer's last load, without leaving the page ----

const copied = document.getElementById("copied");
let customer = field("customer").value;

/** Fills in what the server fills in, in the places where nothing was typed meanwhile. The focus stays where it is. */
async function copyLastLoad() {
  const sent = new FormData(form);
  if (!sent.get("customer")) {
    copied.textContent = "Choose a customer first.";
    return;
  }
  const page = await fetchForm(sent);
  if (!page) {
    copied.textContent = "The last load could not be fetched. Press “Copy from last load” to try again.";
    return;
  }
  if (sent.get("customer") !== field("customer").value) return;
  customer = field("customer").value;
  const filled = new FormData(page.getElementById("bolform"));
  for (const [name, value] of filled) {
    const target = field(name);
    if (["key", "customer", "reissue_of", "pick"].includes(name) || target.value !== (sent.get(name) ?? "")) continue;
    target.value = value;
    if ("defaultValue" in target) target.defaultValue = value;
  }
  markCopied(page);
  showTons();
  showFolded();
  copied.textContent = page.getElementById("copied").textContent || "There was nothing to copy.";
  changed = true;
}

async function fetchForm(sent) {
  try {
    const response = await fetch(`/office/bols/new?${new URLSearchParams(sent)}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return response.ok && page.getElementById("bolform") ? page : null;
  } catch {
    return null;
  }
}

/** Shows the customer's addresses, and beside a copied value what to check. */
function markCopied(page) {
  const known = document.getElementById("known");
  if (!known.contains(document.activeElement)) known.replaceChildren(...page.getElementById("known").childNodes);
  explainPick();
  for (const old of form.querySelectorAll(".copied")) old.remove();
  for (const mark of page.querySelectorAll(".copied")) {
    const name = mark.id.replace("-copied", "");
    field(name).setAttribute("aria-describedby", page.getElementById(name).getAttribute("aria-describedby"));
    field(name).after(mark);
  }
}

field("customer").addEventListener("blur", (event) => {
  if (event.target.value && event.target.value !== customer) copyLastLoad();
});
document.getElementById("fill").addEventListener("click", (event) => {
  event.preventDefault();
  copyLastLoad();
});

// ---- What the folded part holds ----

const fold = form.querySelector("details.fold");

function showFolded() {
  const texts = [...fold.querySelectorAll(".field")].map((part) => {
    const label = part.querySelector("label:not(.option), .label").textContent.trim();
    const radio = part.querySelector("input:checked");
    const value = radio ? radio.parentElement.textContent : part.querySelector("input, textarea").value;
    const line = value.trim().split("\n")[0];
    return line && `${label}: ${line}`;
  });
  document.getElementById("folded").textContent = texts.filter(Boolean).join(" · ");
}
fold.addEventListener("toggle", showFolded);

// ---- Net tons, rounded as the server does: 0.01 short tons are 20 lb, and half of that rounds up ----

const grouped = new Intl.NumberFormat("en-US");

function pounds(name) {
  const text = field(name).value.trim();
  return /^(\d{1,9}|\d{1,3}(,\d{3})+)$/.test(text) ? Number(text.replaceAll(",", "")) : null;
}

function showTons() {
  const [gross, tare] = [pounds("gross_lb"), pounds("tare_lb")];
  const net = gross !== null && tare !== null ? gross - tare : pounds("net_lb");
  const output = document.getElementById("tons");
  if (net === null || net <= 0) {
    output.value = "";
    return;
  }
  const hundredths = Math.floor((net + 10) / 20);
  const tons = `${grouped.format(Math.floor(hundredths / 100))}.${String(hundredths % 100).padStart(2, "0")}`;
  output.value = `${grouped.format(net)} lb net = ${tons} net tons`;
}

for (const name of ["gross_lb", "tare_lb", "net_lb"]) field(name).addEventListener("input", showTons);
showTons();

// ---- Warn before leaving with unsaved input ----

form.addEventListener("input", () => {
  changed = true;
  keepDraft();
});
form.addEventListener("submit", (event) => {
  if (event.submitter?.formTarget !== "_blank") sending = true;
});
// The browser can restore this page from its back/forward cache.
addEventListener("pageshow", () => { sending = false; });
addEventListener("beforeunload", (event) => {
  if (changed && !sending) event.preventDefault();
});

// ---- A draft in this tab, for a lost connection or a closed page. The page of an issued BOL and a logout remove it ----

const DRAFT = "new-bol";

function keepDraft() {
  const draft = { user: form.dataset.user, at: Date.now(), fields: [...new FormData(form)] };
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // Without storage there is no draft.
  }
}

function savedDraft() {
  try {
    const draft = JSON.parse(sessionStorage.getItem(DRAFT));
    const fields = new Map(draft?.fields ?? []);
    // The form with this key is on the page already, with what was typed.
    const isOther = fields.get("key") !== field("key").value && fields.get("reissue_of") === field("reissue_of").value;
    return draft?.user === form.dataset.user && isOther ? { at: draft.at, fields } : null;
  } catch {
    return null;
  }
}

function offerDraft({ at, fields }) {
  const offer = document.createElement("div");
  offer.className = "message offer";
  const text = document.createElement("p");
  const time = new Intl.DateTimeFormat("en-US", { timeStyle: "short" }).format(at);
  text.textContent = `A BOL that you typed at ${time} was not issued from this page.`;
  const button = (label, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button small";
    made.textContent = label;
    made.addEventListener("click", () => {
      action();
      offer.remove();
      field("customer").focus();
    });
    return made;
  };
  const restore = button("Restore what you typed", () => {
    // The key too: a BOL that was issued after all is not issued twice.
    for (const [name, value] of fields) {
      if (field(name) && name !== "pick") field(name).value = value;
    }
    customer = field("customer").value;
    changed = true;
    showTons();
    showFolded();
  });
  offer.append(text, restore, button("Discard", () => sessionStorage.removeItem(DRAFT)));
  form.before(offer);
}

const draft = savedDraft();
if (draft) offerDraft(draft);
