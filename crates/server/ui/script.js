"use strict";
// The pages work without this file; it only adds comfort. No word in it is newer than 2015: a browser
// that cannot read one line reads none of them, and an answer to an app would not go on its way.

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
  const done = () => {
    button.textContent = button.dataset.done;
  };
  const inTheOldWay = () => {
    document.execCommand("copy");
    done();
  };
  button.addEventListener("click", () => {
    field.select();
    if (navigator.clipboard) {
      navigator.clipboard.writeText(field.value).then(done, inTheOldWay);
    } else {
      inTheOldWay();
    }
  });
  button.hidden = false;
}

// A form that goes on its way by itself. A field may be called "submit", hence the prototype's.
for (const form of document.querySelectorAll("form[data-auto]")) {
  HTMLFormElement.prototype.submit.call(form);
}
