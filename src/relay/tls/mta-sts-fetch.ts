import type { HttpsClient, HttpsOutcome } from "../../net/https-exchange.ts";
import { MAX_POLICY_BYTES, parseStsPolicy, type StsPolicy } from "./mta-sts-policy.ts";

/** Why a policy is not there, in the words of RFC 8460 4.3.2.2. */
export interface StsTrouble {
  readonly fault: "sts-policy-fetch-error" | "sts-policy-invalid" | "sts-webpki-invalid";
  readonly reason: string;
}

export type FetchedPolicy =
  | { readonly kind: "policy"; readonly policy: StsPolicy }
  | ({ readonly kind: "failed" } & StsTrouble);

export const HTTPS_PORT = 443;
const PATH = "/.well-known/mta-sts.txt";

/**
 * RFC 8461 3.3: from the policy host, whose certificate must be valid for that name, without
 * redirects. Never throws.
 */
export async function fetchStsPolicy(
  https: HttpsClient,
  domain: string,
  signal: AbortSignal,
  port: number = HTTPS_PORT,
): Promise<FetchedPolicy> {
  const headers = { accept: "text/plain" };
  const outcome = await https.exchange(
    {
      host: `mta-sts.${domain}`,
      port,
      path: PATH,
      method: "GET",
      headers,
      maxBytes: MAX_POLICY_BYTES,
    },
    signal,
  );
  return outcome.kind === "failed" ? toFailed(outcome) : read(outcome);
}

function toFailed({ why, reason }: HttpsOutcome & { readonly kind: "failed" }): FetchedPolicy {
  const fault = why === "certificate" ? "sts-webpki-invalid" : "sts-policy-fetch-error";
  return { kind: "failed", fault, reason };
}

function read(answer: HttpsOutcome & { readonly kind: "answered" }): FetchedPolicy {
  const { status, contentType, body } = answer;
  if (status !== 200) {
    const reason = `the policy host answered ${status}`;
    return { kind: "failed", fault: "sts-policy-fetch-error", reason };
  }
  // RFC 8461 3.2: so that a host where strangers may put files cannot be made to speak for all.
  if (contentType !== "text/plain") {
    const reason = "the policy host sent no text/plain";
    return { kind: "failed", fault: "sts-policy-invalid", reason };
  }
  const parsed = parseStsPolicy(body.toString("utf8"));
  if (parsed.kind === "policy") return parsed;
  return { kind: "failed", fault: "sts-policy-invalid", reason: parsed.reason };
}
