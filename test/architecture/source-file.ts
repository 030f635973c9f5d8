/** One TypeScript file, read with the compiler's own parser: what it imports, uses, exports and says in comments. */
import { posix } from "node:path";
import ts from "typescript";

export interface ImportFact {
  /** As written. */
  readonly specifier: string;
  /** The path of the imported file, from the project's root; undefined for a package or a node:* module. */
  readonly target: string | undefined;
  readonly isTypeOnly: boolean;
  /** The imported names, "*" for a namespace, "default" for a default import. */
  readonly names: readonly string[];
  readonly line: number;
}

export interface UseFact {
  /** "process", "Date.now", "new Date": a global name as the code reaches for it. */
  readonly name: string;
  readonly line: number;
}

export interface NamedFact {
  readonly name: string;
  readonly line: number;
}

export interface SourceFile {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ImportFact[];
  readonly uses: readonly UseFact[];
  /** The names that are declared here and exported. */
  readonly exports: readonly NamedFact[];
  /** Variables of the module that can be set anew. */
  readonly moduleVariables: readonly NamedFact[];
  readonly isOnlyReExports: boolean;
  /** Each comment as one line of words; read only when asked for, because it visits every token. */
  comments(): readonly { readonly text: string; readonly line: number }[];
}

/** Reads a tree of files, given as path and text; that a tree can be made up is what lets each check be tested. */
export function readSourceFiles(texts: Readonly<Record<string, string>>): readonly SourceFile[] {
  return Object.entries(texts).map(([path, text]) => readSourceFile(path, text));
}

export function readSourceFile(path: string, text: string): SourceFile {
  const root = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (position: number) => root.getLineAndCharacterOfPosition(position).line + 1;
  const imports: ImportFact[] = [];
  const uses: UseFact[] = [];
  const visit = (node: ts.Node): void => {
    const line = lineOf(node.getStart(root));
    const imported = importOf(node);
    if (imported !== undefined) imports.push({ ...imported, target: targetOf(path, imported.specifier), line });
    const name = ts.isIdentifier(node) ? globalUse(node) : undefined;
    if (name !== undefined) uses.push({ name, line });
    ts.forEachChild(node, visit);
  };
  visit(root);
  const exported = root.statements.flatMap(exportedNames);
  return {
    path,
    lines: text.replace(/\n$/, "").split("\n").length,
    imports,
    uses,
    exports: exported.map((name) => ({ name: name.text, line: lineOf(name.getStart(root)) })),
    moduleVariables: root.statements
      .flatMap((statement) => (isVariable(statement) ? declaredNames(statement.declarationList) : []))
      .map((name) => ({ name: name.text, line: lineOf(name.getStart(root)) })),
    isOnlyReExports: isOnlyReExports(root),
    comments: () => readComments(root).map(({ text, position }) => ({ text, line: lineOf(position) })),
  };
}

function targetOf(from: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? posix.normalize(posix.join(posix.dirname(from), specifier)) : undefined;
}

function importOf(node: ts.Node): Pick<ImportFact, "specifier" | "isTypeOnly" | "names"> | undefined {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const { importClause: clause, moduleSpecifier } = node;
    const named = clause?.namedBindings;
    const elements = named !== undefined && ts.isNamedImports(named) ? named.elements : [];
    const names = elements.map((element) => (element.propertyName ?? element.name).text);
    if (clause?.name !== undefined) names.push("default");
    if (named !== undefined && ts.isNamespaceImport(named)) names.push("*");
    // `import { type A }` does not count: at run time it still loads the module.
    const isTypeOnly = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    return { specifier: moduleSpecifier.text, isTypeOnly, names };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
    const names =
      node.exportClause !== undefined && ts.isNamedExports(node.exportClause)
        ? node.exportClause.elements.map((element) => (element.propertyName ?? element.name).text)
        : ["*"];
    return { specifier: node.moduleSpecifier.text, isTypeOnly: node.isTypeOnly, names };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return { specifier: node.argument.literal.text, isTypeOnly: true, names: ["*"] };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    const specifier = argument !== undefined && ts.isStringLiteralLike(argument) ? argument.text : "(computed)";
    return { specifier, isTypeOnly: false, names: ["*"] };
  }
  return undefined;
}

/** The name by which an identifier could reach a global; undefined where it only declares, labels or types something. */
function globalUse(node: ts.Identifier): string | undefined {
  const { parent } = node;
  const isNamed = "name" in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent);
  const isRenamed = "propertyName" in parent && parent.propertyName === node;
  const isType = ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent);
  if (isNamed || isRenamed || isType) return undefined;
  if (ts.isPropertyAccessExpression(parent)) return `${node.text}.${parent.name.text}`;
  if (ts.isNewExpression(parent) && parent.expression === node) return `new ${node.text}`;
  return node.text;
}

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function exportedNames(statement: ts.Statement): readonly ts.Identifier[] {
  if (ts.isExportDeclaration(statement) && statement.moduleSpecifier === undefined) {
    const clause = statement.exportClause;
    const elements = clause !== undefined && ts.isNamedExports(clause) ? clause.elements : [];
    return elements.flatMap((element) => (ts.isIdentifier(element.name) ? [element.name] : []));
  }
  if (!isExported(statement)) return [];
  if (ts.isVariableStatement(statement)) return declaredNames(statement.declarationList);
  const { name } = statement as ts.DeclarationStatement;
  return name !== undefined && ts.isIdentifier(name) ? [name] : [];
}

function declaredNames(list: ts.VariableDeclarationList): readonly ts.Identifier[] {
  const namesOf = (name: ts.BindingName): readonly ts.Identifier[] =>
    ts.isIdentifier(name)
      ? [name]
      : name.elements.flatMap((element) => (ts.isBindingElement(element) ? namesOf(element.name) : []));
  return list.declarations.flatMap((declaration) => namesOf(declaration.name));
}

function isVariable(statement: ts.Statement): statement is ts.VariableStatement {
  return (
    ts.isVariableStatement(statement) &&
    (statement.declarationList.flags & ts.NodeFlags.BlockScoped) !== ts.NodeFlags.Const
  );
}

/** Whether a file defines nothing, and only passes on what other files define. */
function isOnlyReExports(root: ts.SourceFile): boolean {
  const isPassing = (statement: ts.Statement) => ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);
  return root.statements.some(ts.isExportDeclaration) && root.statements.every(isPassing);
}

/** All comments; line comments that follow each other are one. */
function readComments(root: ts.SourceFile): readonly { text: string; position: number }[] {
  const ranges = new Map<number, ts.CommentRange>();
  const collect = (node: ts.Node): void => {
    const found = [
      ...(ts.getLeadingCommentRanges(root.text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(root.text, node.getEnd()) ?? []),
    ];
    for (const range of found) ranges.set(range.pos, range);
    node.getChildren(root).forEach(collect);
  };
  collect(root);
  const comments: { text: string; position: number; end: number }[] = [];
  for (const { pos, end } of [...ranges.values()].sort((a, b) => a.pos - b.pos)) {
    const written = root.text.slice(pos, end);
    const text = written.replace(/^\/[/*]+|\*\/$/g, "").replace(/\n\s*\*?/g, " ");
    const last = comments.at(-1);
    const follows = last !== undefined && written.startsWith("//") && /^\n[ \t]*$/.test(root.text.slice(last.end, pos));
    if (follows) Object.assign(last, { text: `${last.text} ${text}`, end });
    else comments.push({ text, position: pos, end });
  }
  return comments.map(({ text, position }) => ({ text: text.replace(/\s+/g, " ").trim(), position }));
}
