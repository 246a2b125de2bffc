import {
  type Expression,
  type Node,
  type Program,
  parseSync,
  type VariableDeclaration,
  Visitor,
} from "oxc-parser";
import { type Breach, findWrongArrows, type Import } from "./house-order.ts";

const MAX_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 50;
const MAX_NESTING = 3;
const FORBIDDEN_WORDS = new Set(["index", "utils", "util", "helpers", "common", "misc", "manager"]);
const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*(\.ts)?$/;
/** Files that a process or a thread starts with; all others only declare. */
const STARTS = /^main\.ts$|-(thread|process)\.ts$/;

interface Walk {
  readonly lineOf: (node: Node) => number;
  readonly lastLineOf: (node: Node) => number;
  readonly breach: (node: Node, rule: string) => void;
}

/** Everything that `source` breaks. `file` is its path below src/, with slashes. */
export function findBreaches(file: string, source: string): readonly Breach[] {
  const { program, errors } = parseSync(file, source, { sourceType: "module" });
  if (errors.length > 0) return [{ file, line: 1, rule: `does not parse: ${errors[0]?.message}` }];
  const breaches: Breach[] = [];
  const lineAt = toLineFinder(source);
  const walk: Walk = {
    lineOf: (node) => lineAt(node.start),
    lastLineOf: (node) => lineAt(node.end),
    breach: (node, rule) => void breaches.push({ file, line: lineAt(node.start), rule }),
  };
  checkName(file, walk, program);
  if (lineAt(source.trimEnd().length) > MAX_FILE_LINES) walk.breach(program, "is over 300 lines");
  checkModuleLevel(file, program, walk);
  checkFunctions(program, walk);
  checkWords(program, walk);
  const imports = findImports(program, walk);
  return [...breaches, ...findWrongArrows(file, imports)];
}

function toLineFinder(source: string): (offset: number) => number {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) {
    starts.push(at + 1);
  }
  return (offset) => starts.findLastIndex((start) => start <= offset) + 1;
}

function checkName(file: string, walk: Walk, program: Program): void {
  for (const part of file.split("/")) {
    if (!KEBAB_CASE.test(part)) walk.breach(program, `${part} is not in kebab-case`);
    const words = part.replace(/\.ts$/, "").split("-");
    if (words.some((word) => FORBIDDEN_WORDS.has(word))) {
      walk.breach(program, `${part} does not say what it holds`);
    }
  }
}

function checkModuleLevel(file: string, program: Program, walk: Walk): void {
  for (const statement of program.body) {
    if (statement.type === "ExportDefaultDeclaration") walk.breach(statement, "a default export");
    if (statement.type === "ExpressionStatement" && !STARTS.test(file)) {
      walk.breach(statement, "work at import");
    }
    const declared =
      statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (declared?.type === "VariableDeclaration") checkModuleVariable(declared, walk);
  }
}

function checkModuleVariable(declared: VariableDeclaration, walk: Walk): void {
  if (declared.kind !== "const") walk.breach(declared, `module-level ${declared.kind}`);
  for (const { init } of declared.declarations) {
    if (init && isEmptyContainer(init)) walk.breach(declared, "an empty container is state");
  }
}

/** A table is filled where it stands; what starts empty is filled later. */
function isEmptyContainer(init: Expression): boolean {
  if (init.type === "ArrayExpression") return init.elements.length === 0;
  if (init.type === "ObjectExpression") return init.properties.length === 0;
  if (init.type !== "NewExpression" || init.callee.type !== "Identifier") return false;
  return /^(Weak)?(Map|Set)$/.test(init.callee.name) && init.arguments.length === 0;
}

function checkWords(program: Program, walk: Walk): void {
  new Visitor({
    TSAnyKeyword: (node) => walk.breach(node, "any"),
    TSEnumDeclaration: (node) => walk.breach(node, "an enum"),
    TSModuleDeclaration: (node) => walk.breach(node, "a namespace"),
    TSNonNullExpression: (node) => walk.breach(node, "a non-null !"),
    TSParameterProperty: (node) => walk.breach(node, "a parameter property"),
    Decorator: (node) => walk.breach(node, "a decorator"),
    ExportSpecifier(node) {
      const name = node.exported.type === "Identifier" ? node.exported.name : node.exported.value;
      if (name === "default") walk.breach(node, "a default export");
    },
  }).visit(program);
}

/** `else if` is one level with its `if`; a function inside a function starts at level 0. */
function checkFunctions(program: Program, walk: Walk): void {
  const levels = [0];
  const elseIfs = new Set<Node>();
  const enter = (node: Node) => {
    const lines = walk.lastLineOf(node) - walk.lineOf(node) + 1;
    if (lines > MAX_FUNCTION_LINES) walk.breach(node, `a function of ${lines} lines`);
    levels.push(0);
  };
  const leave = () => void levels.pop();
  const deeper = (node: Node) => {
    const level = (levels.pop() ?? 0) + 1;
    levels.push(level);
    if (level === MAX_NESTING + 1) walk.breach(node, `nested ${level} levels deep`);
  };
  const back = () => void levels.push((levels.pop() ?? 1) - 1);
  new Visitor({
    FunctionDeclaration: enter,
    "FunctionDeclaration:exit": leave,
    FunctionExpression: enter,
    "FunctionExpression:exit": leave,
    ArrowFunctionExpression: enter,
    "ArrowFunctionExpression:exit": leave,
    IfStatement(node) {
      if (node.alternate?.type === "IfStatement") elseIfs.add(node.alternate);
      if (!elseIfs.has(node)) deeper(node);
    },
    "IfStatement:exit": (node) => (elseIfs.has(node) ? undefined : back()),
    ForStatement: deeper,
    "ForStatement:exit": back,
    ForInStatement: deeper,
    "ForInStatement:exit": back,
    ForOfStatement: deeper,
    "ForOfStatement:exit": back,
    WhileStatement: deeper,
    "WhileStatement:exit": back,
    DoWhileStatement: deeper,
    "DoWhileStatement:exit": back,
    SwitchStatement: deeper,
    "SwitchStatement:exit": back,
    TryStatement: deeper,
    "TryStatement:exit": back,
  }).visit(program);
}

function findImports(program: Program, walk: Walk): readonly Import[] {
  const imports: Import[] = [];
  const add = (node: Node, source: Node | null | undefined) => {
    if (source?.type === "Literal" && typeof source.value === "string") {
      imports.push({ from: source.value, line: walk.lineOf(node) });
    } else if (source) {
      walk.breach(node, "an import of a computed path");
    }
  };
  new Visitor({
    ImportDeclaration: (node) => add(node, node.source),
    ExportNamedDeclaration: (node) => add(node, node.source),
    ExportAllDeclaration: (node) => add(node, node.source),
    ImportExpression: (node) => add(node, node.source),
    TSImportType: (node) => add(node, node.source),
    NewExpression(node) {
      const [path, base] = node.arguments;
      const isModuleUrl = node.callee.type === "Identifier" && node.callee.name === "URL" && base;
      /** A URL beside the module names a worker's file; data files end in something else. */
      if (isModuleUrl && path?.type === "Literal" && String(path.value).endsWith(".ts")) {
        add(node, path);
      }
    },
  }).visit(program);
  return imports;
}
