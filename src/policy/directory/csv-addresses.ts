import type { DirectoryValue } from "./address-value.ts";
import { rowsOf } from "./csv-rows.ts";

/** Columns in which directories put addresses, when nobody names one. */
const USUAL_COLUMNS: readonly string[] = [
  "mail",
  "proxyaddresses",
  "emailaddress",
  "emailaddresses",
  "primarysmtpaddress",
];

export interface CsvOptions {
  /** Names of the first row, or positions from 1 in a file without such a row. */
  readonly columns: readonly string[];
  readonly separator: string;
}

/** The values of some columns. A field may hold several, parted by semicolons, commas or blanks. */
export async function* csvAddresses(
  text: AsyncIterable<string>,
  { columns, separator }: CsvOptions,
): AsyncGenerator<DirectoryValue> {
  const byPosition = columns.length > 0 && columns.every((column) => /^[1-9]\d*$/.test(column));
  let places: readonly number[] | null = byPosition
    ? columns.map((column) => Number(column) - 1)
    : null;
  let number = 0;
  for await (const row of rowsOf(text, separator)) {
    number += 1;
    if (places === null) {
      // csvde and PowerShell may put a line of their own before the names.
      if (!row[0]?.startsWith("#TYPE")) places = placesOf(row, columns);
      continue;
    }
    for (const place of places)
      for (const value of valuesOf(row[place] ?? "")) yield { text: value, where: `row ${number}` };
  }
}

function placesOf(names: readonly string[], columns: readonly string[]): readonly number[] {
  const known = names.map((name) => name.trim().toLowerCase());
  if (columns.length === 0) {
    const usual = USUAL_COLUMNS.map((name) => known.indexOf(name)).filter((place) => place >= 0);
    if (usual.length > 0) return usual;
    throw new Error(`expected --column, one of ${names.join(", ")}, or a number`);
  }
  return columns.map((column) => {
    const place = known.indexOf(column.toLowerCase());
    if (place >= 0) return place;
    throw new Error(`no column ${column}; the first row has ${names.join(", ")}`);
  });
}

function valuesOf(field: string): readonly string[] {
  // A quoted local part may hold what parts others.
  const parts = field.includes('"') ? [field] : field.split(/[;,]/).flatMap(wordsOf);
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** Of `a@x.test b@x.test` both; `a b@x.test` is one address gone wrong. */
function wordsOf(part: string): readonly string[] {
  const words = part.trim().split(/\s+/);
  return words.every((word) => word.includes("@")) ? words : [part];
}
