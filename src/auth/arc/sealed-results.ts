import { parseDomainName } from "../../mail/domain-name.ts";
import { unfold } from "../../mail/header-block.ts";

/** What a sealer wrote about DMARC when it got the message. */
export type SealedDmarc = {
  readonly result: string;
  /** header.from, A-labels; null: not told. */
  readonly from: string | null;
};

/** Fields are bounded by the header section; results of a sealer we trust are far shorter. */
const MAX_READ = 8192;

/** The one result of DMARC in ARC-Authentication-Results (RFC 8601); null: none, or several. */
export function readSealedDmarc(rawValue: string): SealedDmarc | null {
  // Cut anywhere, a name would be the name of somebody else.
  if (rawValue.length > MAX_READ) return null;
  const text = plainText(unfold(rawValue));
  const results = text.split(";").flatMap((part) => {
    // RFC 8601 2.2: the version of a method may follow its name, and there is but one.
    const match = /^\s*dmarc\s*(?:\/\s*1\s*)?=\s*([a-z]{1,30})(?=\s|$)(.*)$/is.exec(part);
    return match ? [{ result: match[1] ?? "", rest: match[2] ?? "" }] : [];
  });
  const [only] = results;
  if (!only || results.length > 1) return null;
  const from = /(?:^|\s)header\.from\s*=\s*([^\s;]+)/i.exec(only.rest)?.[1];
  const domain = from === undefined ? null : toDomain(from);
  return { result: only.result.toLowerCase(), from: domain };
}

/** Some write the address instead of its domain. */
function toDomain(text: string): string | null {
  return parseDomainName(text.slice(text.lastIndexOf("@") + 1), { utf8: false });
}

/**
 * Without comments, and without what separates in quoted strings: `(; dmarc=pass)` is a remark, and
 * `reason="; dmarc=pass"` the words of whoever sent the mail.
 */
function plainText(value: string): string {
  let text = "";
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at++) {
    const char = value.charAt(at);
    if (char === "\\" && (isQuoted || depth > 0)) at += 1;
    else if (isQuoted) isQuoted = char !== '"';
    else if (char === "(") {
      // A comment separates as a blank does.
      if (depth === 0) text += " ";
      depth += 1;
    } else if (char === ")" && depth > 0) depth -= 1;
    else if (depth > 0) continue;
    else if (char === '"') {
      isQuoted = true;
      text += '"';
    } else text += char;
  }
  return text;
}
