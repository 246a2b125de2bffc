import { decodeStrictUtf8 } from "./strict-utf8.ts";

/**
 * Mechanisms of SASL (RFC 4954) as state machines without I/O: PLAIN (RFC 4616) and LOGIN, which has
 * no RFC and which Outlook speaks. A step is what comes next; only a challenge wants an answer.
 */
export type SaslStep =
  | {
      readonly kind: "challenge";
      /** Base64, for the line after 334. */
      readonly text: string;
      /** The step after this response. */
      readonly answer: (response: string) => SaslStep;
    }
  | { readonly kind: "credentials"; readonly name: string; readonly password: string }
  | { readonly kind: "fault"; readonly fault: SaslFault };

export type SaslFault =
  /** The client sent `*`. */
  | "cancelled"
  | "not-base64"
  /** Not the fields of the mechanism. */
  | "malformed"
  /** An authorisation identity other than the name itself. */
  | "on-behalf";

export const SASL_MECHANISMS: readonly string[] = ["PLAIN", "LOGIN"];

/**
 * The first step; null for a mechanism that is not offered. `initial` as the AUTH command has it:
 * null when absent, `=` for an empty one (RFC 4954 4).
 */
export function beginSasl(mechanism: string, initial: string | null): SaslStep | null {
  const start = STARTS.get(mechanism.toUpperCase());
  if (start === undefined) return null;
  return initial === null ? start : respond(start, initial === "=" ? "" : initial);
}

function respond(step: SaslStep, response: string): SaslStep {
  return step.kind === "challenge" ? step.answer(response) : step;
}

/** "Username:" and "Password:", as every client of LOGIN expects them. */
const ASK_NAME = "VXNlcm5hbWU6";
const ASK_PASSWORD = "UGFzc3dvcmQ6";

const STARTS: ReadonlyMap<string, SaslStep> = new Map<string, SaslStep>([
  ["PLAIN", challenge("", parsePlain)],
  ["LOGIN", challenge(ASK_NAME, askPassword)],
]);

function challenge(text: string, next: (decoded: string) => SaslStep): SaslStep {
  return { kind: "challenge", text, answer: (response) => decode(response, next) };
}

function fault(fault: SaslFault): SaslStep {
  return { kind: "fault", fault };
}

function decode(response: string, next: (decoded: string) => SaslStep): SaslStep {
  if (response === "*") return fault("cancelled");
  const octets = decodeStrictBase64(response);
  if (octets === null) return fault("not-base64");
  const text = decodeStrictUtf8(octets);
  return text === null ? fault("malformed") : next(text);
}

/** RFC 4616 2: `[authzid] NUL authcid NUL passwd`, none of them with a NUL. */
function parsePlain(text: string): SaslStep {
  const fields = text.split("\0");
  const [onBehalf = "", name = "", password = ""] = fields;
  if (fields.length !== 3 || name === "" || password === "") return fault("malformed");
  if (onBehalf !== "" && onBehalf !== name) return fault("on-behalf");
  return { kind: "credentials", name, password };
}

function askPassword(name: string): SaslStep {
  if (name === "" || name.includes("\0")) return fault("malformed");
  return challenge(ASK_PASSWORD, (password) =>
    password === "" || password.includes("\0")
      ? fault("malformed")
      : { kind: "credentials", name, password },
  );
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Null for what RFC 4648 does not write: other letters, blanks, missing or wrong padding, bits behind
 * the last octet. What two servers decode differently is two passwords.
 */
function decodeStrictBase64(text: string): Buffer | null {
  if (!BASE64.test(text)) return null;
  const octets = Buffer.from(text, "base64");
  return octets.toString("base64") === text ? octets : null;
}
