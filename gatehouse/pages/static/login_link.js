// Shows the code of a login link.
import { showCodeFrom } from "./code_link.js";

showCodeFrom("/auth/login/link/code");
