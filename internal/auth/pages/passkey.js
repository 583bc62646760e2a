"use strict";
// Asks the browser for a passkey, and sends what it says with the form. Where
// there is none of this, the pages work without it.
(async () => {
  const form = document.getElementById("passkey");
  if (!form || !window.PublicKeyCredential?.parseRequestOptionsFromJSON) return;
  const options = JSON.parse(form.dataset.options);
  const making = form.dataset.kind === "create";
  const publicKey = making
    ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
    : PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const send = (credential) => {
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  };
  let waiting = new AbortController();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    waiting.abort();
    waiting = new AbortController();
    const said = document.getElementById("said");
    said.replaceChildren();
    try {
      const request = { publicKey, signal: waiting.signal };
      send(await (making ? navigator.credentials.create(request) : navigator.credentials.get(request)));
    } catch (error) {
      if (error.name === "AbortError") return;
      const line = document.createElement("p");
      line.className = "error";
      line.textContent = error.name === "InvalidStateError" ? form.dataset.again : form.dataset.failed;
      said.replaceChildren(line);
    }
  });
  form.hidden = false;
  document.getElementById("unable")?.remove();
  // Not after a failure, which may have been the passkey's that would be taken again.
  if (form.dataset.fill !== "true" || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  try {
    send(await navigator.credentials.get({ publicKey, mediation: "conditional", signal: waiting.signal }));
  } catch {
    // The person signs in another way, or presses the button.
  }
})();
