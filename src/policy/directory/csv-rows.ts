/** More than any export of a directory has in a row: beyond it a quote was never closed. */
const MAX_ROW_CHARS: number = 4 * 1024 * 1024;

/** The rows of CSV (RFC 4180): a field in quotes may hold the separator, line breaks and "" for ". */
export async function* rowsOf(
  text: AsyncIterable<string>,
  separator: string,
): AsyncGenerator<readonly string[]> {
  const row = createRow(separator);
  for await (const chunk of text) yield* row.read(chunk);
  yield* row.end();
}

interface Row {
  read(chunk: string): Generator<readonly string[]>;
  end(): Generator<readonly string[]>;
}

function createRow(separator: string): Row {
  let fields: string[] = [];
  let field = "";
  let size = 0;
  let state: "plain" | "quoted" | "quote-in-quoted" = "plain";
  const endField = () => {
    fields.push(field);
    field = "";
  };
  const endRow = (): readonly string[] => {
    endField();
    const row = fields;
    fields = [];
    size = 0;
    return row;
  };
  /** True at the end of a row. */
  const take = (char: string): boolean => {
    if (state === "quoted") {
      if (char === '"') state = "quote-in-quoted";
      else field += char;
      return false;
    }
    if (char === '"' && (state === "quote-in-quoted" || field === "")) {
      if (state === "quote-in-quoted") field += '"';
      state = "quoted";
      return false;
    }
    state = "plain";
    if (char === separator) endField();
    else if (char !== "\r" && char !== "\n") field += char;
    return char === "\n";
  };
  return {
    *read(chunk) {
      for (const char of chunk) {
        if (take(char)) yield endRow();
        size += 1;
        if (size > MAX_ROW_CHARS) throw new Error("expected rows, got a quote that is not closed");
      }
    },
    *end() {
      if (state === "quoted") throw new Error("expected rows, got a quote that is not closed");
      if (field !== "" || fields.length > 0) yield endRow();
    },
  };
}
