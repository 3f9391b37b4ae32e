// Lets users see the passwords that they type. Without this script there is no button.

for (const input of document.querySelectorAll("input[type=password]")) {
  const label = document.querySelector(`label[for="${input.id}"]`);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet small show-password";
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-controls", input.id);
  const name = document.createElement("span");
  name.className = "vh";
  name.textContent = `: ${label.textContent.toLowerCase()}`;
  button.append("Show password", name);
  button.addEventListener("click", () => {
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  });
  input.after(button);
  // A password goes to the server, and to the browser's own store, from a field of its type only.
  input.form.addEventListener("submit", () => {
    input.type = "password";
    button.setAttribute("aria-pressed", "false");
  });
}
