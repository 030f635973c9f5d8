/** The driver's settings, as an operator writes them. */
import { QkdError } from "../../src/model/errors.ts";
import { BLOCK_BYTES_MAX } from "./messages.ts";

export interface SerialFrameConfig {
  /** The serial line, "/dev/ttyACM0" or, better, a name under /dev/serial/by-id. */
  readonly path: string;
  readonly baudRate: number;
  /** Key that the module may send ahead of what is stored here. */
  readonly windowBytes: number;
}

const BAUD_RATE_DEFAULT = 115_200;
const BAUD_RATE_MIN = 300;
const BAUD_RATE_MAX = 12_000_000;
const WINDOW_BYTES_DEFAULT = 1 << 20;
const WINDOW_BYTES_MAX = 1 << 26;

/** @throws QkdError CONFIG_INVALID naming the field */
export function parseSerialFrameConfig(raw: unknown): SerialFrameConfig {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new QkdError(
      "CONFIG_INVALID",
      "the settings of a serial-frame module are fields: path, baudRate, windowBytes",
    );
  }
  const { path, baudRate = BAUD_RATE_DEFAULT, windowBytes = WINDOW_BYTES_DEFAULT, ...others } = raw as RawFields;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) {
    throw invalid(unknown, `there is no field "${unknown}"; there are: path, baudRate, windowBytes`);
  }
  if (typeof path !== "string" || !path.startsWith("/")) {
    throw invalid("path", "path is the absolute path of the module's serial line");
  }
  return {
    path,
    baudRate: wholeNumber("baudRate", baudRate, BAUD_RATE_MIN, BAUD_RATE_MAX),
    windowBytes: wholeNumber("windowBytes", windowBytes, BLOCK_BYTES_MAX, WINDOW_BYTES_MAX),
  };
}

interface RawFields {
  readonly path?: unknown;
  readonly baudRate?: unknown;
  readonly windowBytes?: unknown;
}

function wholeNumber(field: keyof SerialFrameConfig, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `${field} is a whole number from ${min} to ${max}`);
}

const invalid = (field: string, sentence: string): QkdError => new QkdError("CONFIG_INVALID", sentence, { field });
