import { Socket } from "node:net";
import { SMTPServer } from "smtp-server";
import { SMTPConnection } from "smtp-server/lib/smtp-connection.js";
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";

/**
 * Every member of smtp-server that we use although its documentation does not promise it. What we
 * override must be called by it, what we call must exist; a new version that renames one of them
 * would otherwise give us its own line reader and limits back without a word.
 */
const SEAM = {
  /** Called by us. */
  called: ["upgrade", "_setListeners"],
  /** Called by smtp-server. */
  overridden: ["close", "_createParser", "_armTimeout", "_onClose", "_onError", "_resetSession"],
  connectionFields: ["_socket", "_parser", "_upgrading", "_closing", "_closed"],
  /** Overridden. `isClosed` is set by `close` and `upgrade`. */
  stream: ["_write", "_flushData"],
  streamFields: ["isClosed"],
} as const;

/** Throws when the installed smtp-server is not the one this code was written for. */
export function assertEngineSeam(): void {
  const server = new SMTPServer({ logger: false, hideSTARTTLS: true });
  const connection = new SMTPConnection(server, new Socket());
  const missing = [
    ...withoutMethods("SMTPConnection", connection, SEAM.called),
    ...withoutMethods("SMTPConnection", connection, SEAM.overridden),
    ...SEAM.connectionFields.filter((name) => !(name in connection)),
    ...withoutMethods("SMTPStream", new SMTPStream(), SEAM.stream),
    ...SEAM.streamFields.filter((name) => !(name in new SMTPStream())),
  ];
  if (missing.length === 0) return;
  throw new Error(`smtp-server has changed: ${missing.join(", ")} missing; see engine-seam.ts`);
}

function withoutMethods(owner: string, value: object, names: readonly string[]): string[] {
  return names
    .filter((name) => typeof Reflect.get(value, name) !== "function")
    .map((name) => `${owner}.${name}`);
}
