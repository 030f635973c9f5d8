// Lint rules: only such as find bugs or keep a law of the house. Layout is prettier's; who may import whom, words and
// file sizes are tested in test/architecture.
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const bugs = {
  "array-callback-return": "error",
  "constructor-super": "error",
  eqeqeq: "error",
  "no-async-promise-executor": "error",
  "no-cond-assign": "error",
  "no-constant-binary-expression": "error",
  "no-control-regex": "error",
  "no-debugger": "error",
  "no-dupe-else-if": "error",
  "no-duplicate-case": "error",
  "no-empty": "error",
  "no-eval": "error",
  "no-loss-of-precision": "error",
  "no-self-assign": "error",
  "no-self-compare": "error",
  "no-sparse-arrays": "error",
  "no-template-curly-in-string": "error",
  "no-unmodified-loop-condition": "error",
  // `for await (const line of lines) return line` takes the first.
  "no-unreachable-loop": ["error", { ignore: ["ForOfStatement"] }],
  "no-unsafe-finally": "error",
  "no-useless-catch": "error",
  "no-var": "error",
  "prefer-const": "error",
  "use-isnan": "error",
};

const typedBugs = {
  "@typescript-eslint/await-thenable": "error",
  "@typescript-eslint/ban-ts-comment": ["error", { minimumDescriptionLength: 5 }],
  "@typescript-eslint/consistent-type-imports": "error",
  "@typescript-eslint/no-array-delete": "error",
  "@typescript-eslint/no-base-to-string": "error",
  "@typescript-eslint/no-duplicate-type-constituents": "error",
  "@typescript-eslint/no-explicit-any": "error",
  "@typescript-eslint/no-floating-promises": [
    "error",
    // node:test waits for its own tests.
    { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["describe", "it", "suite", "test"] }] },
  ],
  "@typescript-eslint/no-for-in-array": "error",
  "@typescript-eslint/no-implied-eval": "error",
  "@typescript-eslint/no-misused-promises": "error",
  "@typescript-eslint/no-unnecessary-type-assertion": "error",
  "@typescript-eslint/no-unsafe-unary-minus": "error",
  "@typescript-eslint/no-unused-expressions": "error",
  "@typescript-eslint/only-throw-error": "error",
  "@typescript-eslint/prefer-promise-reject-errors": "error",
  "@typescript-eslint/prefer-readonly": "error",
  "@typescript-eslint/restrict-plus-operands": "error",
  "@typescript-eslint/return-await": ["error", "error-handling-correctness-only"],
  // A default that ends in unreachable(…) is checked by the compiler itself.
  "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
};

/** Where `any` comes in from outside, as JSON or from a package, it has to be looked at before it is used. */
const noAnyFromOutside = {
  "@typescript-eslint/no-unsafe-argument": "error",
  "@typescript-eslint/no-unsafe-assignment": "error",
  "@typescript-eslint/no-unsafe-call": "error",
  "@typescript-eslint/no-unsafe-member-access": "error",
  "@typescript-eslint/no-unsafe-return": "error",
};

const noDefaultExport = {
  "no-restricted-syntax": [
    "error",
    {
      selector: "ExportDefaultDeclaration, ExportSpecifier[exported.name='default']",
      message: "Export by name; only drivers/*/index.ts has a default export, its driver.",
    },
  ],
};

export default defineConfig(
  globalIgnores(["node_modules/", "src/io/generated/", "**/*.tmp/", "demo-data*/"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  { files: ["**/*.js", "**/*.mjs"], rules: bugs },
  {
    files: ["src/**/*.ts", "drivers/**/*.ts", "test/**/*.ts", "bench/**/*.ts"],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: { ...bugs, ...typedBugs, ...noDefaultExport },
  },
  {
    files: ["src/**/*.ts", "drivers/**/*.ts", "bench/**/*.ts"],
    rules: {
      ...noAnyFromOutside,
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: ["drivers/*/index.ts"], rules: { "no-restricted-syntax": "off" } },
);
