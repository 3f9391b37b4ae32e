// Verifies a message with the package standardwebhooks of npm, whose folder is the argument. Reads
// {"secret", "headers", "body"} from stdin. Prints "verified" if the message is right and altered ones are not.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/package.json`);
const { Webhook } = require(process.argv[2]);
const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));

const verifies = (headers, body) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

if (!verifies(headers, body)) throw new Error("the message is refused");
if (verifies(headers, `${body} `)) throw new Error("an altered body is accepted");
if (verifies({ ...headers, "webhook-id": "evt_0" }, body)) throw new Error("an altered id is accepted");
console.log("verified");
