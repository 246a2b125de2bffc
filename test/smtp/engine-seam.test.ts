import assert from "node:assert/strict";
import { test } from "node:test";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { assertEngineSeam } from "../../src/smtp/engine-seam.ts";
import { afterwards } from "../support/afterwards.ts";

test("the installed smtp-server is the one we were written for", () => {
  assert.doesNotThrow(assertEngineSeam);
});

test("a smtp-server that lacks what we lean on is named at the start", (context) => {
  const method = SMTPConnection.prototype._armTimeout;
  afterwards(context, () => Object.assign(SMTPConnection.prototype, { _armTimeout: method }));
  Object.assign(SMTPConnection.prototype, { _armTimeout: undefined });
  assert.throws(assertEngineSeam, /SMTPConnection\._armTimeout missing/);
});
