import { clip, displayWidth, toVisible } from "./visible-text.ts";

export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly align?: "left" | "right";
  /** May be cut when the terminal is narrow, down to MIN_FLEXIBLE. Ids are never cut. */
  readonly flexible?: boolean;
  /** May be left out when cutting is not enough. */
  readonly optional?: boolean;
}

const GAP = "  ";
/** Columns of a cut cell that still tell something. */
const MIN_FLEXIBLE = 8;

/**
 * Lines of plain text, aligned by what a terminal shows. Cells may hold anything that mail brings.
 * `width` null: as wide as it comes, for files and pipes.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | null,
): readonly string[] {
  const shown = columns.map((column, i) => {
    const cells = [column.title, ...rows.map((row) => toVisible(row[i] ?? ""))];
    return { column, cells, width: Math.max(...cells.map(displayWidth)) };
  });
  const fitted = width === null ? shown : fit(shown, width);
  return Array.from({ length: rows.length + 1 }, (_, line) =>
    fitted
      .map(({ column, cells, width }) => pad(clip(cells[line] ?? "", width), width, column))
      .join(GAP)
      .trimEnd(),
  );
}

interface Strip {
  readonly column: Column;
  readonly cells: readonly string[];
  readonly width: number;
}

/** Leaves out optional columns, the last first, until the others can be cut to fit. */
function fit(strips: readonly Strip[], width: number): readonly Strip[] {
  const least = strips.map((strip) => (strip.column.flexible ? squeezed(strip) : strip));
  const last = strips.findLastIndex(({ column }) => column.optional);
  if (total(least) > width && last !== -1) return fit(strips.toSpliced(last, 1), width);
  return cut(strips, width);
}

function squeezed(strip: Strip): Strip {
  return { ...strip, width: Math.min(strip.width, MIN_FLEXIBLE) };
}

function total(strips: readonly Strip[]): number {
  return strips.reduce((sum, strip) => sum + strip.width, GAP.length * (strips.length - 1));
}

/** Takes what is missing from the widest flexible columns. */
function cut(strips: readonly Strip[], width: number): readonly Strip[] {
  const widths = strips.map((strip) => strip.width);
  for (let missing = total(strips) - width; missing > 0; missing--) {
    let widest = -1;
    for (const [i, { column }] of strips.entries()) {
      if (!column.flexible || (widths[i] ?? 0) <= MIN_FLEXIBLE) continue;
      if (widest === -1 || (widths[i] ?? 0) > (widths[widest] ?? 0)) widest = i;
    }
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return strips.map((strip, i) => ({ ...strip, width: widths[i] ?? strip.width }));
}

function pad(text: string, width: number, { align }: Column): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "right" ? space + text : text + space;
}
