import { parseIp } from "../net/ip.ts";
import { type ReceivedToken, receivedTokens } from "./received-tokens.ts";

/** What one Received field says of its hop (RFC 5321 4.4), as far as its writer saw it himself. */
export type ReceivedHop =
  | {
      readonly kind: "hop";
      /** Who wrote it: lower case, without a final dot. */
      readonly by: string;
      /** Null: given to him on his own machine. */
      readonly from: {
        /** Of the connection: never what the client said of itself. */
        readonly ip: string;
        /** What the client said in HELO; null where the writer does not tell. */
        readonly helo: string | null;
      } | null;
    }
  | { readonly kind: "unreadable"; readonly reason: string };

type Clauses = ReadonlyMap<string, readonly ReceivedToken[]>;

/** In the order of RFC 5321 4.4; `tls` is what Exim adds. Each stands there once at most. */
const CLAUSES: readonly string[] = ["from", "by", "via", "with", "tls", "id", "for"];

/**
 * Strict, for the words of a client stand in this field beside those of the server that wrote it: a
 * HELO of `x ([192.0.2.1]) by mx.example.org; ` must not become a hop. So every word must have its
 * place, no clause may come twice or out of order, all brackets close, and a date ends it.
 */
export function parseReceived(rawValue: string): ReceivedHop {
  const tokens = receivedTokens(rawValue);
  if (tokens === null) return unreadable("a bracket or a quotation that does not end");
  const end = tokens.findIndex(({ kind }) => kind === "semicolon");
  if (end < 0) return unreadable("no date");
  if (!isDate(tokens.slice(end + 1)))
    return unreadable("what stands behind the semicolon is no date");
  const clauses = readClauses(tokens.slice(0, end));
  if (typeof clauses === "string") return unreadable(clauses);
  const by = clauses.get("by")?.[0]?.text.toLowerCase().replace(/\.$/, "");
  if (by === undefined) return unreadable("it does not say by whom");
  const from = clauses.get("from");
  if (from === undefined) return { kind: "hop", by, from: null };
  const client = readFrom(from);
  return client === null
    ? unreadable("no address of the client where it belongs")
    : { kind: "hop", by, from: client };
}

function unreadable(reason: string): ReceivedHop {
  return { kind: "unreadable", reason };
}

/** A text is why they cannot be read. */
function readClauses(tokens: readonly ReceivedToken[]): Clauses | string {
  const clauses = new Map<string, ReceivedToken[]>();
  let current: ReceivedToken[] | null = null;
  let last = -1;
  for (const token of tokens) {
    const rank = token.kind === "word" ? CLAUSES.indexOf(token.text.toLowerCase()) : -1;
    const isFull = current === null || current.some(({ kind }) => kind !== "comment");
    if (token.kind === "comment" || !isFull) current?.push(token);
    else if (rank < 0 && last === WITH && isPlain(token.text)) current?.push(token);
    else if (rank < 0) return `"${token.text.slice(0, MAX_SHOWN)}" has no place in it`;
    else if (rank <= last) return `"${CLAUSES[rank]}" comes twice or too late`;
    else {
      current = [];
      last = rank;
      clauses.set(CLAUSES[rank] ?? "", current);
    }
  }
  for (const [name, values] of clauses)
    if (!values.some(({ kind }) => kind !== "comment")) return `"${name}" says nothing`;
  return clauses;
}

/** Exchange says `with Microsoft SMTP Server`. */
const WITH = CLAUSES.indexOf("with");

function isPlain(word: string): boolean {
  return /^[A-Za-z]+$/.test(word);
}

/** Of a word that a client may have made up. */
const MAX_SHOWN = 40;

/**
 * RFC 5321: the client's own name, then in brackets what TCP says: `name [192.0.2.1]` or only the
 * literal. What others write: Exchange leaves the square brackets out, Exim has `helo=` behind them,
 * or the address before and only `helo=` in the brackets.
 */
function readFrom([said, comment, ...others]: readonly ReceivedToken[]) {
  if (said?.kind !== "word" || comment?.kind !== "comment") return null;
  // A client that says brackets in HELO gets its own before those of the server.
  if (others.some(({ text }) => text.includes("[") || parseIp(text) !== null)) return null;
  const exim = /^helo=(\S+)/.exec(comment.text);
  const own = literalIp(said.text.replace(/:\d{1,5}$/, ""));
  if (exim !== null) return own === null ? null : { ip: own, helo: exim[1] ?? null };
  const bare = parseIp(comment.text);
  if (bare !== null) return { ip: bare.text, helo: said.text };
  const tcp = TCP_INFO.exec(comment.text);
  const ip = literalIp(tcp?.[1] ?? "");
  if (ip === null) return null;
  return { ip, helo: /(?:^| )helo=(\S+)/.exec(tcp?.[2] ?? "")?.[1] ?? said.text };
}

/**
 * At most one host name before the literal. Behind it what servers add: `(may be forged)`, a port,
 * `helo=`; nothing with another literal outside of that.
 */
const TCP_INFO =
  /^(?:<?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?>? +)?(\[[0-9A-Fa-f.:IPVipv]+\])(?::\d{1,5})?((?: +helo=\S+| +ident=\S+| +\(may be forged\))*)$/;

/** `[192.0.2.1]`, `[IPv6:2001:db8::1]`; without the tag too, as Google writes it. */
function literalIp(text: string): string | null {
  const inner = /^\[(?:IPv6:)?([0-9A-Fa-f.:]+)\]$/i.exec(text)?.[1];
  return inner === undefined ? null : (parseIp(inner)?.text ?? null);
}

/** RFC 5322 3.3, day and seconds optional, with a zone of any spelling. */
function isDate(tokens: readonly ReceivedToken[]): boolean {
  if (tokens.some(({ kind }) => kind !== "word" && kind !== "comment")) return false;
  const text = tokens.flatMap(({ kind, text }) => (kind === "word" ? [text] : [])).join(" ");
  return DATE.test(text);
}

const DATE =
  /^(?:[A-Za-z]{3}, ?)?\d{1,2} [A-Za-z]{3} \d{4} \d{1,2}:\d\d(?::\d\d(?:\.\d+)?)? (?:[+-]\d{4}|[A-Za-z]{1,5})$/;
