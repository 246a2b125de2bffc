import { LOGON_FIRST } from "./protocol-replies.ts";
import type { RelayPermission } from "./relay-permission.ts";
import type { Reply } from "./reply.ts";
import type { TlsFacts } from "./session-handler.ts";
import { TLS_FIRST } from "./tls-demands.ts";

/**
 * What a listener wants to know of a client before it takes mail: nothing more than its other rules,
 * any permission to relay, or a password and nothing else.
 */
export type LogonDemand = "none" | "permission" | "password";

/** The answer to MAIL of a client that must log on first (RFC 4954 6), else null. */
export function unmetLogon(
  demand: LogonDemand,
  permission: RelayPermission | null,
  tls: TlsFacts | null,
): Reply | null {
  if (demand === "none") return null;
  if (demand === "permission" && permission !== null) return null;
  if (permission?.by === "password") return null;
  // AUTH is not offered in the clear: to ask for it would lead nowhere.
  return tls === null ? TLS_FIRST : LOGON_FIRST;
}
