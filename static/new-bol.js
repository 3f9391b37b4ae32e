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
field("pick")?.addEventListener("change", (event) => {
  if (event.target.value) field("ship_to").value = event.target.value;
});
// Another customer has another last load and other addresses.
field("customer").addEventListener("change", (event) => {
  if (event.target.value) form.requestSubmit(document.getElementById("fill"));
});

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

form.addEventListener("input", () => { changed = true; });
form.addEventListener("submit", (event) => {
  if (event.submitter?.formTarget !== "_blank") sending = true;
});
// The browser can restore this page from its back/forward cache.
addEventListener("pageshow", () => { sending = false; });
addEventListener("beforeunload", (event) => {
  if (changed && !sending) event.preventDefault();
});
