// Sends the form of an authorization response to the application at once; after Back, asks for a new one.
addEventListener("pageshow", (event) => {
  if (event.persisted) return location.reload();
  return document.getElementById("form").submit();
});
