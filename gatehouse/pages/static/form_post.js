// Sends the form of an authorization response to the application at once.
document.getElementById("form").submit();
