/** `FROM:<a@b> SIZE=1` cut into the path with its brackets and the parameters (RFC 5321 4.1.2). */
export interface EsmtpArguments {
  readonly path: string;
  /** Keywords in upper case; null where no value was given. */
  readonly parameters: ReadonlyMap<string, string | null>;
}

/** RFC 6531 3.3: a value may be UTF-8; which may, its parameter knows. */
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\u{10ffff}]+))?$/u;

/**
 * Null when it does not follow the grammar, which includes a parameter given twice. A blank after
 * the colon is forgiven, as every large server does; it cannot change what is read.
 */
export function parseEsmtpArguments(
  argument: string,
  keyword: "FROM" | "TO",
): EsmtpArguments | null {
  const prefix = `${keyword}:`;
  if (argument.slice(0, prefix.length).toUpperCase() !== prefix) return null;
  const rest = argument.slice(prefix.length).trimStart();
  const end = endOfPath(rest);
  if (end < 0) return null;
  const parameters = parseParameters(rest.slice(end));
  return parameters && { path: rest.slice(0, end), parameters };
}

/** RFC 3461 4: xtext, with at least one character. */
export function isXtext(value: string): boolean {
  return /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/.test(value);
}

/** RFC 3461 4, of printable ASCII. */
export function encodeXtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/g, (char) => {
    const code = char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
    return `+${code}`;
  });
}

/** What xtext stands for, one octet a char; `+` codes that are none stay as they are. */
export function decodeXtext(value: string): string {
  return value.replace(/\+([0-9A-F]{2})/g, (_, code) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

function parseParameters(text: string): ReadonlyMap<string, string | null> | null {
  const parameters = new Map<string, string | null>();
  if (text.trim() === "") return parameters;
  if (!text.startsWith(" ")) return null;
  for (const word of text.trim().split(/ +/)) {
    const match = PARAMETER.exec(word);
    const keyword = match?.[1]?.toUpperCase();
    if (keyword === undefined || parameters.has(keyword)) return null;
    parameters.set(keyword, match?.[2] ?? null);
  }
  return parameters;
}

/** The position after the `>` that closes the path; one inside a quoted local part does not. */
function endOfPath(text: string): number {
  if (!text.startsWith("<")) return -1;
  let quoted = false;
  for (let i = 1; i < text.length; i++) {
    const char = text[i];
    if (quoted && char === "\\") i++;
    else if (char === '"') quoted = !quoted;
    else if (char === ">" && !quoted) return i + 1;
  }
  return -1;
}
