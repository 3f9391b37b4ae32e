// Passkeys (WebAuthn). A button with `data-passkey` asks the server for options, the browser for a passkey, and sends the
// answer with the form that the button belongs to. Without this script there is no such button.

const decoded = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

const descriptors = (list) => (list ?? []).map((each) => ({ ...each, id: decoded(each.id) }));

// What the user is told. Its `message` says what happened, and what to do.
class Failure extends Error {}

async function fetchOptions(address) {
  let answer;
  try {
    answer = await fetch(address, { method: "POST", headers: { Accept: "application/json" } });
  } catch {
    throw new Failure("The portal can’t be reached. Check your connection, and try again.");
  }
  // The session has ended, or needs a fresh proof: the page itself leads there.
  if (answer.status === 401 || answer.status === 403) location.reload();
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Failure(body.detail ?? "The portal could not answer. Try again in a minute.");
  const { publicKey } = body;
  publicKey.challenge = decoded(publicKey.challenge);
  if (publicKey.user) publicKey.user.id = decoded(publicKey.user.id);
  if (publicKey.excludeCredentials) publicKey.excludeCredentials = descriptors(publicKey.excludeCredentials);
  if (publicKey.allowCredentials) publicKey.allowCredentials = descriptors(publicKey.allowCredentials);
  return body;
}

// The credential as JSON. Not every browser has `toJSON` (WebAuthn Level 3, 5.1).
function answerOf(ceremony, credential) {
  const { response } = credential;
  const parts = { clientDataJSON: encoded(response.clientDataJSON) };
  if (response.attestationObject) {
    parts.attestationObject = encoded(response.attestationObject);
    parts.transports = response.getTransports?.() ?? [];
  } else {
    parts.authenticatorData = encoded(response.authenticatorData);
    parts.signature = encoded(response.signature);
    parts.userHandle = response.userHandle ? encoded(response.userHandle) : null;
  }
  const { id, type } = credential;
  return JSON.stringify({ ceremony, credential: { id, rawId: encoded(credential.rawId), type, response: parts } });
}

function reasonOf(error) {
  if (error instanceof Failure) return error.message;
  switch (error.name) {
    // The user closed the browser's dialog, or did not answer it.
    case "NotAllowedError":
    case "AbortError":
      return "";
    case "InvalidStateError":
      return "This device has a passkey for your login already. Use another device, or another password manager.";
    case "NotSupportedError":
    case "ConstraintError":
      return "This device can’t keep a passkey that checks who you are. Turn on its screen lock, or use another device.";
    default:
      return "Your browser could not use a passkey here. Try again, or use another way.";
  }
}

// One dialog at a time: a second one ends the first.
let pending = new AbortController();

async function ask(address, kind, mediation) {
  pending.abort();
  const own = new AbortController();
  pending = own;
  const { ceremony, publicKey } = await fetchOptions(address);
  const wanted = { publicKey, signal: own.signal, ...(mediation && { mediation }) };
  const credential =
    kind === "create" ? await navigator.credentials.create(wanted) : await navigator.credentials.get(wanted);
  return answerOf(ceremony, credential);
}

function send(form, answer) {
  form.elements.passkey.value = answer;
  // Not `requestSubmit`: the other fields of the form may stay empty.
  form.submit();
}

function show(button, text) {
  const message = document.getElementById(button.getAttribute("aria-describedby"));
  message.textContent = text;
}

function listen(button) {
  const { passkey: address, kind } = button.dataset;
  button.addEventListener("click", async () => {
    show(button, "");
    button.setAttribute("aria-busy", "true");
    try {
      send(button.form, await ask(address, kind));
    } catch (error) {
      show(button, reasonOf(error));
      if (button.dataset.offer) offer(button);
    }
    button.removeAttribute("aria-busy");
  });
  // Enter in a field of a form that has no other button.
  if (!button.form.querySelector("[type=submit]")) {
    button.form.addEventListener("submit", (event) => {
      event.preventDefault();
      button.click();
    });
  }
}

// Offers the passkeys in the list below the email field. The server's question expires, so it is asked again while the page
// is in sight.
async function offer(button) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  const renewal = 100_000;
  const begin = async () => {
    const renew = setTimeout(() => {
      pending.abort();
      if (document.visibilityState === "visible") begin();
      else document.addEventListener("visibilitychange", begin, { once: true });
    }, renewal);
    try {
      send(button.form, await ask(button.dataset.passkey, "get", "conditional"));
    } catch {
      // The form below works without.
    }
    clearTimeout(renew);
  };
  begin();
}

if (window.PublicKeyCredential && navigator.credentials) {
  for (const button of document.querySelectorAll("button[data-passkey]")) {
    for (const part of document.querySelectorAll("[data-passkey-only]")) part.hidden = false;
    listen(button);
    if (button.dataset.offer) offer(button);
  }
} else {
  for (const part of document.querySelectorAll("[data-without-passkeys]")) part.hidden = false;
}
