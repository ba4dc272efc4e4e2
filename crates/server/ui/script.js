"use strict";
// The pages work without this file; it only adds comfort.

// A button that shows what is typed; the field is hidden again before it is sent.
for (const button of document.querySelectorAll("[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  const show = (yes) => {
    field.type = yes ? "text" : "password";
    button.textContent = yes ? button.dataset.hide : button.dataset.show;
  };
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false));
  button.hidden = false;
}

// A button that copies a field.
for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy");
    }
    button.textContent = button.dataset.done;
  });
  button.hidden = false;
}

// A form that goes on its way by itself. A field may be called "submit", hence the prototype's.
for (const form of document.querySelectorAll("form[data-auto]")) {
  HTMLFormElement.prototype.submit.call(form);
}
