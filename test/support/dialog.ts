/**
 * An SMTP transcript as data. One step a line; blank lines and `#` comments are skipped.
 *
 *   c: EHLO a.test        the client sends the text and CRLF
 *   c! a\nb\x00\r\n       the client sends these octets, with escapes, in a segment of their own
 *   s: 250 OK             the server says a line that begins so
 *   s: /^250[ -]/         … or that matches
 *   s... 250              … after any number of continuation lines of the same code
 *   tls                   both do the TLS handshake
 *   closed                the server closes and says nothing more
 *   delivered 1           so many messages were taken (known only in-process)
 *   with session.transactions=2    a limit, before the first step
 *   user alice=secret    a hub listener on which she can log on, and to which all must
 *   needs x@y.test to be refused   what else the server must do; in-process it does
 *
 * Against a server that runs already (test/dialogs/play.ts), dialogs with limits, users or needs are
 * left out, and `mx.test` in what the server says is any host name.
 *
 * `c 3x:` and `s 3x:` repeat a step. `{2000 x}` stands for 2000 times x.
 */
export type DialogStep =
  | { readonly kind: "send"; readonly octets: Buffer }
  | { readonly kind: "expect"; readonly pattern: LinePattern }
  | { readonly kind: "expect-last"; readonly pattern: LinePattern }
  | { readonly kind: "tls" }
  | { readonly kind: "closed" }
  | { readonly kind: "delivered"; readonly count: number };

export type LinePattern = string | RegExp;

export interface DialogLine {
  readonly number: number;
  readonly text: string;
  readonly steps: readonly DialogStep[];
}

export interface Dialog {
  readonly lines: readonly DialogLine[];
  /** `["session.transactions", 2]` */
  readonly limits: readonly (readonly [path: string, value: number])[];
  readonly needs: readonly string[];
  /** Name and password. */
  readonly users: readonly (readonly [name: string, password: string])[];
}

/** Throws with the number of the first line that is none of the above. */
export function parseDialog(text: string): Dialog {
  const lines: DialogLine[] = [];
  const limits: [string, number][] = [];
  const needs: string[] = [];
  const users: [string, string][] = [];
  text.split("\n").forEach((line, index) => {
    if (/^\s*(#|$)/.test(line)) return;
    const limit = /^with ([a-zA-Z.]+)=(\d+)$/.exec(line);
    if (limit?.[1] && limit[2]) {
      limits.push([limit[1], Number(limit[2])]);
      return;
    }
    const user = /^user ([^=]+)=(.+)$/.exec(line);
    if (user?.[1] && user[2]) {
      users.push([user[1], user[2]]);
      return;
    }
    const need = /^needs (.+)$/.exec(line)?.[1];
    if (need) {
      needs.push(need);
      return;
    }
    const steps = parseSteps(line);
    if (steps === null) throw new Error(`line ${index + 1} is no step: ${line}`);
    lines.push({ number: index + 1, text: line, steps });
  });
  return { lines, limits, needs, users };
}

function parseSteps(line: string): readonly DialogStep[] | null {
  if (line === "tls" || line === "closed") return [{ kind: line }];
  const delivered = /^delivered (\d+)$/.exec(line)?.[1];
  if (delivered) return [{ kind: "delivered", count: Number(delivered) }];
  const match = /^(c|s)(?: (\d+)x)?(:|!|\.\.\.) ?(.*)$/.exec(line);
  const step = match && parseStep(`${match[1]}${match[3]}`, match[4] ?? "");
  return step && Array<DialogStep>(Number(match[2] ?? 1)).fill(step);
}

function parseStep(kind: string, argument: string): DialogStep | null {
  const text = argument.replace(/\{(\d+) ([^}]+)\}/g, (_, count, part) => part.repeat(count));
  switch (kind) {
    case "c:":
      return { kind: "send", octets: Buffer.from(`${text}\r\n`) };
    case "c!":
      return { kind: "send", octets: toOctets(text) };
    case "s:":
      return { kind: "expect", pattern: toPattern(text) };
    case "s...":
      return { kind: "expect-last", pattern: toPattern(text) };
    default:
      return null;
  }
}

function toPattern(text: string): LinePattern {
  const regex = /^\/(.*)\/$/.exec(text)?.[1];
  return regex === undefined ? text : new RegExp(regex);
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["r", "\r"],
  ["n", "\n"],
  ["t", "\t"],
  ["0", "\0"],
  ["\\", "\\"],
]);

function toOctets(text: string): Buffer {
  const octets = Buffer.from(text).toString("latin1");
  return Buffer.from(
    octets.replace(/\\(x[0-9a-f]{2}|.)/gi, (_, code: string) =>
      code.length === 3
        ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
        : (ESCAPES.get(code) ?? code),
    ),
    "latin1",
  );
}
