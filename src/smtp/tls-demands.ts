import type { Reply } from "./reply.ts";
import type { TlsFacts } from "./session-handler.ts";

/** What a listener wants before it takes mail. */
export interface TlsDemands {
  readonly tls: boolean;
  /** A client certificate that was verified. */
  readonly certificate: boolean;
}

/** RFC 3207 section 4. */
export const TLS_FIRST: Reply = {
  code: 530,
  status: "7.0",
  text: "Must issue a STARTTLS command first",
};

/** The answer to MAIL when the client does not meet the demands, else null. */
export function unmetDemand(demands: TlsDemands, tls: TlsFacts | null): Reply | null {
  if ((demands.tls || demands.certificate) && tls === null) return TLS_FIRST;
  // What was not asked for or not shown is not verified.
  const client = tls?.client ?? { kind: "none" };
  if (!demands.certificate || client.kind === "verified") return null;
  const text =
    client.kind === "none"
      ? "A client certificate is required here, and none was shown"
      : `The client certificate is not accepted: ${client.reason}`;
  return { code: 550, status: "7.1", text };
}
