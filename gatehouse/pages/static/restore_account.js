// Restores a deleted account.
import { submitTo } from "./link_form.js";

submitTo("/auth/me/restore");
