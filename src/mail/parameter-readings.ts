import { decodeCharset, decodeUnlabelled } from "./charset.ts";
import { decodeWords, hasEncodedWord } from "./encoded-words.ts";
import type { Parameter } from "./parameters.ts";

/**
 * Every text that some reader takes for the parameter `name`: as written, with RFC 2047 words
 * decoded (forbidden there and done by all), and by RFC 2231 with charset and continuations.
 * Unicode; without duplicates.
 */
export function parameterReadings(
  parameters: readonly Parameter[],
  name: string,
): readonly string[] {
  const readings: string[] = [];
  for (const parameter of parameters) {
    if (parameter.name !== name) continue;
    readings.push(
      hasEncodedWord(parameter.value)
        ? decodeWords(parameter.value)
        : decodeUnlabelled(Buffer.from(parameter.value, "latin1")),
    );
  }
  const sections = parameters.flatMap((parameter) => toSection(parameter, name));
  if (sections.length > 0) {
    readings.push(joinSections(firstOfEach(sections)));
    readings.push(joinSections(firstOfEach(sections.toReversed())));
    for (const section of sections)
      if (section.number === null) readings.push(joinSections([section]));
  }
  return [...new Set([...readings, ...readings.filter(hasEncodedWord).map(decodeJoined)])];
}

/** A word may come together only where sections are joined. */
function decodeJoined(text: string): string {
  return decodeWords(Buffer.from(text, "utf8").toString("latin1"));
}

interface Section {
  /** null for `name*=`, which stands alone. */
  readonly number: number | null;
  readonly extended: boolean;
  readonly value: string;
}

/** RFC 2231 3 and 4: `name*`, `name*1`, `name*1*`. */
function toSection({ name, value }: Parameter, wanted: string): readonly Section[] {
  if (!name.startsWith(`${wanted}*`)) return [];
  const match = /^(\d{0,4})(\*?)$/.exec(name.slice(wanted.length + 1));
  if (!match) return [];
  const [, digits = "", star] = match;
  if (digits === "") return [{ number: null, extended: true, value }];
  return [{ number: Number(digits), extended: star === "*", value }];
}

/** In the order of their numbers, whatever is missing between: lenient readers close gaps. */
function firstOfEach(sections: readonly Section[]): readonly Section[] {
  const byNumber = new Map<number, Section>();
  for (const section of sections) {
    const number = section.number ?? 0;
    if (!byNumber.has(number)) byNumber.set(number, section);
  }
  return [...byNumber].sort(([a], [b]) => a - b).map(([, section]) => section);
}

/** RFC 2231 4: the first section names the charset, `charset'language'text`. */
function joinSections(sections: readonly Section[]): string {
  let charset = "";
  const octets = sections.map(({ extended, value }, index) => {
    if (!extended) return Buffer.from(value, "latin1");
    const quotes = index === 0 ? /^([^']{0,64})'[^']{0,64}'/.exec(value) : null;
    if (quotes) charset = quotes[1] ?? "";
    return percentDecode(quotes ? value.slice(quotes[0].length) : value);
  });
  const joined = Buffer.concat(octets);
  return charset === "" ? decodeUnlabelled(joined) : decodeCharset(joined, charset);
}

function percentDecode(value: string): Buffer {
  const latin1 = value.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, "latin1");
}
