import type { AddressFault } from "../mail/address.ts";
import { formatReply, type Reply } from "./reply.ts";

// Words of the protocol itself. What a stage or the relay has to say comes from the handler.

export const OK: Reply = { code: 250, status: "0.0", text: "OK" };
export const GO_AHEAD: Reply = { code: 354, status: null, text: "End data with <CR><LF>.<CR><LF>" };
export const READY_FOR_TLS: Reply = { code: 220, status: "0.0", text: "Ready to start TLS" };
export const HELP: Reply = { code: 214, status: "0.0", text: "See RFC 5321" };
export const CANNOT_VERIFY: Reply = {
  code: 252,
  status: "0.0",
  text: "Cannot verify the user, but will take the message and try to deliver it",
};

export const UNKNOWN_COMMAND: Reply = { code: 500, status: "5.2", text: "Command unrecognised" };
export const BAD_CHARACTER: Reply = { code: 500, status: "5.2", text: "Invalid character" };
export const LINE_TOO_LONG: Reply = { code: 500, status: "5.2", text: "Command line too long" };
export const NOT_SMTP: Reply = {
  code: 500,
  status: "5.2",
  text: "Lines must end in CR LF",
  close: true,
};
export const FOREIGN_PROTOCOL: Reply = {
  code: 500,
  status: "5.2",
  text: "This is a mail server",
  close: true,
};
export const NOT_IMPLEMENTED: Reply = { code: 502, status: "5.1", text: "Command not implemented" };
export const TOO_EARLY: Reply = {
  code: 554,
  status: "5.0",
  text: "Client sent data before it was its turn",
  close: true,
};
export const NO_RECIPIENTS: Reply = { code: 554, status: "5.1", text: "No valid recipients" };
export const BAD_PARAMETER: Reply = { code: 501, status: "5.4", text: "Invalid parameter" };
export const TOO_LARGE: Reply = { code: 552, status: "3.4", text: "Message too large" };
export const TOO_MANY_RECIPIENTS: Reply = { code: 452, status: "5.3", text: "Too many recipients" };

// RFC 4954 4 and 6. One text for a wrong name and a wrong password.
export const LOGGED_ON: Reply = { code: 235, status: "7.0", text: "Authentication succeeded" };
export const LOGON_FAILED: Reply = { code: 535, status: "7.8", text: "Authentication failed" };
export const LOGON_UNAVAILABLE: Reply = {
  code: 454,
  status: "7.0",
  text: "Authentication is not possible now, try again later",
};
export const LOGON_FIRST: Reply = { code: 530, status: "7.0", text: "Authentication required" };
export const TLS_BEFORE_LOGON: Reply = {
  code: 538,
  status: "7.11",
  text: "Encryption required: issue a STARTTLS command first",
};
export const UNKNOWN_MECHANISM: Reply = {
  code: 504,
  status: "5.4",
  text: "Unrecognised authentication type",
};
export const CANCELLED: Reply = { code: 501, status: "7.0", text: "Authentication cancelled" };
export const BAD_BASE64: Reply = { code: 501, status: "5.2", text: "Cannot decode the response" };
export const BAD_RESPONSE: Reply = {
  code: 501,
  status: "5.4",
  text: "The response does not fit the mechanism",
};
export const EXCHANGE_TOO_LONG: Reply = {
  code: 500,
  status: "5.6",
  text: "Authentication exchange line too long",
};

/** To a client whose address is not among those a listener is for. He and his postmaster read it. */
export function notAllowed(hostname: string, ip: string): Reply {
  const text = `${hostname} is not for clients at ${ip}, ask its postmaster for access`;
  return { code: 554, status: "7.1", text, close: true };
}

/** A command at a time when it means nothing (RFC 5321 4.1.4). */
export function outOfOrder(text: string): Reply {
  return { code: 503, status: "5.1", text };
}

/** `usage` is the form that would have been understood. */
export function badSyntax(usage: string): Reply {
  return { code: 501, status: "5.4", text: `Syntax: ${usage}` };
}

export function unknownParameter(keyword: string): Reply {
  return { code: 555, status: "5.4", text: `Parameter ${keyword} not recognised` };
}

const ADDRESS_STATUS = { sender: "1.7", recipient: "1.3" } as const;

export function badAddress(of: "sender" | "recipient", fault: AddressFault): Reply {
  if (fault === "needs-smtputf8") {
    return { code: 553, status: "6.7", text: `The ${of} address needs SMTPUTF8` };
  }
  const text = fault === "too-long" ? `The ${of} address is too long` : `Bad ${of} address syntax`;
  return { code: 501, status: ADDRESS_STATUS[of], text };
}

/** 421 with which a session ends. */
export function closing(hostname: string, reason: ClosingReason): Reply {
  const { status, text } = CLOSING[reason];
  return { code: 421, status, text: `${hostname} ${text}`, close: true };
}

export type ClosingReason = keyof typeof CLOSING;

const CLOSING = {
  timeout: { status: "4.2", text: "Timeout, closing connection" },
  "session-over": { status: "4.2", text: "This session has lasted too long, closing connection" },
  "too-many-connections": { status: "7.0", text: "Too many connections, try again later" },
  "too-many-errors": { status: "7.0", text: "Too many errors, closing connection" },
  "too-many-logon-failures": { status: "7.0", text: "Too many failed log-ons, try again later" },
  "too-many-commands": {
    status: "7.0",
    text: "Too many commands without mail, closing connection",
  },
  "too-many-transactions": {
    status: "7.0",
    text: "Too many messages in one session, connect again",
  },
  unavailable: { status: "3.2", text: "Service not available, try again later" },
  draining: { status: "3.2", text: "Service shutting down, try again later" },
  fault: { status: "3.0", text: "Internal error, try again later" },
} as const satisfies Record<string, { readonly status: Reply["status"]; readonly text: string }>;

/** Several lines under one code (RFC 5321 4.2.1), with their CRLF. */
export function formatLines(code: Reply["code"], lines: readonly string[]): string {
  const last = lines.length - 1;
  return lines
    .map((text, i) => {
      const line = formatReply({ code, status: null, text });
      return `${i === last ? line : `${code}-${line.slice(4)}`}\r\n`;
    })
    .join("");
}
