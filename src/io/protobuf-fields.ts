/** Messages of protocol buffers, described once: from the description they are written and read, every field checked. */
import { assert } from "../model/assert.ts";
import { sentenceOf } from "../model/errors.ts";
import {
  FIXED64,
  LENGTH_DELIMITED,
  MalformedMessage,
  VARINT,
  type ProtobufReader,
  type ProtobufWriter,
  type WireType,
} from "./protobuf-wire.ts";

/** How a value of one type is written and read. Reading refuses by throwing a QkdError. */
export interface FieldType<Value> {
  readonly wireType: WireType;
  write(out: ProtobufWriter, value: Value): void;
  read(input: ProtobufReader): Value;
  /** What a message means that lacks the field: proto3 leaves out zeros, empty strings and empty lists. */
  absent(): Value;
}

/** A field type that is a message. */
export interface MessageType<Value> extends FieldType<Value> {
  writeFields(out: ProtobufWriter, value: Value): void;
  readFields(input: ProtobufReader): Value;
}

/** One field of a message: its number, and how often it may come. */
export interface Field<Value> {
  readonly number: number;
  write(out: ProtobufWriter, value: Value): void;
  read(input: ProtobufReader, before: Value | undefined): Value;
  absent(): Value;
}

type Fields<Value> = { readonly [Name in keyof Value]-?: Field<Value[Name]> };

export const uint: FieldType<number> = {
  wireType: VARINT,
  write: (out, value) => out.varint(value),
  read: (input) => input.varint(),
  absent: () => 0,
};

export const double: FieldType<number> = {
  wireType: FIXED64,
  write: (out, value) => out.fixed64(value),
  read: (input) => input.fixed64(),
  absent: () => 0,
};

/** A byte string up to a bound. What is read is a view of the message. */
export function bytes(limits: { readonly max: number; readonly min?: number }): FieldType<Uint8Array> {
  const { min = 0, max } = limits;
  const checked = (value: Uint8Array): Uint8Array => {
    if (value.length < min || value.length > max) {
      throw new RangeError(`${value.length} bytes where ${min} to ${max} may be`);
    }
    return value;
  };
  return {
    wireType: LENGTH_DELIMITED,
    write: (out, value) => out.lengthDelimited(checked(value)),
    read: (input) => checked(input.lengthDelimited()),
    absent: () => checked(new Uint8Array(0)),
  };
}

/** A type that is carried as another; `parse` refuses by throwing. */
export function carriedAs<Value, Carrier>(
  carrier: FieldType<Carrier>,
  convert: { readonly parse: (carried: Carrier) => Value; readonly format: (value: Value) => Carrier },
): FieldType<Value> {
  return {
    wireType: carrier.wireType,
    write: (out, value) => carrier.write(out, convert.format(value)),
    read: (input) => convert.parse(carrier.read(input)),
    absent: () => convert.parse(carrier.absent()),
  };
}

/** An enumeration: a number for each word, none of them 0. */
export function choice<Word extends string>(numbers: Readonly<Record<Word, number>>): FieldType<Word> {
  const words = new Map((Object.keys(numbers) as Word[]).map((word) => [numbers[word], word]));
  const parse = (carried: number): Word => {
    const word = words.get(carried);
    if (word === undefined) throw new RangeError(`${carried} is none of ${[...words.values()].join(", ")}`);
    return word;
  };
  return carriedAs(uint, { parse, format: (word) => numbers[word] });
}

/** A field that may come once. */
export function field<Value>(number: number, type: FieldType<Value>): Field<Value> {
  return {
    number,
    write: (out, value) => {
      out.tag(number, type.wireType);
      type.write(out, value);
    },
    read: (input, before) => {
      if (before !== undefined) throw new RangeError("comes twice");
      return type.read(input);
    },
    absent: () => type.absent(),
  };
}

/** A field that may come up to `countMax` times. */
export function repeated<Item>(number: number, type: FieldType<Item>, countMax: number): Field<readonly Item[]> {
  return {
    number,
    write: (out, items) => {
      assert(items.length <= countMax, `field ${number} holds at most ${countMax} items`);
      for (const item of items) {
        out.tag(number, type.wireType);
        type.write(out, item);
      }
    },
    read: (input, before) => {
      const items: Item[] = before === undefined ? [] : (before as Item[]); // made here, by the first call
      if (items.length === countMax) throw new RangeError(`comes more than ${countMax} times`);
      items.push(type.read(input));
      return items;
    },
    absent: () => [],
  };
}

/** A message with these fields; `check` throws where each is right but not all together. */
export function message<Value extends object>(
  name: string,
  fields: Fields<Value>,
  check?: (value: Value) => void,
): MessageType<Value> {
  const entries = Object.entries<Field<unknown>>(fields as Readonly<Record<string, Field<unknown>>>);
  const byNumber = new Map(entries.map(([property, one]) => [one.number, { property, one }]));
  assert(byNumber.size === entries.length, `the fields of ${name} have different numbers`);
  return nestable(name, {
    writeFields: (out, value) => {
      for (const [property, one] of entries) one.write(out, (value as Record<string, unknown>)[property]);
    },
    readFields: (input) => {
      const value: Record<string, unknown> = {};
      for (let number = input.next(); number !== 0; number = input.next()) {
        const known = byNumber.get(number);
        if (known === undefined) input.skip();
        else value[known.property] = blaming(input, known.property, () => known.one.read(input, value[known.property]));
      }
      for (const [property, one] of entries) value[property] ??= blaming(input, property, () => one.absent());
      blaming(input, "", () => check?.(value as Value));
      return value as Value;
    },
  });
}

type Kinds<Union extends { readonly kind: string }> = {
  readonly [Kind in Union["kind"]]: readonly [number, MessageType<Omit<Extract<Union, { kind: Kind }>, "kind">>];
};

/** A message that is exactly one of several kinds (`oneof` as its only content). */
export function oneOf<Union extends { readonly kind: string }>(name: string, kinds: Kinds<Union>): MessageType<Union> {
  const cases = kinds as Readonly<Record<string, readonly [number, MessageType<object>]>>;
  const kindOf = new Map(Object.entries(cases).map(([kind, [number, type]]) => [number, { kind, type }]));
  return nestable(name, {
    writeFields: (out, value) => {
      const [number, type] = cases[value.kind]!;
      out.tag(number, type.wireType);
      type.write(out, value);
    },
    readFields: (input) => {
      const number = input.next();
      const known = kindOf.get(number);
      if (known === undefined) throw input.malformed(number === 0 ? "no kind" : `unknown kind ${number}`);
      const value = blaming(input, known.kind, () => known.type.read(input));
      if (input.next() !== 0) throw input.malformed("more than one kind");
      return { kind: known.kind, ...value } as Union;
    },
  });
}

function nestable<Value>(
  name: string,
  content: Pick<MessageType<Value>, "writeFields" | "readFields">,
): MessageType<Value> {
  return {
    ...content,
    wireType: LENGTH_DELIMITED,
    write: (out, value) => out.nested(() => content.writeFields(out, value)),
    read: (input) => content.readFields(input.nested(name)),
    absent: () => {
      throw new RangeError(`no ${name}`);
    },
  };
}

/** Runs a step of reading; what it refuses is a mistake of the message that `input` reads. */
function blaming<Value>(input: ProtobufReader, property: string, read: () => Value): Value {
  try {
    return read();
  } catch (failure) {
    if (failure instanceof MalformedMessage) throw failure;
    throw input.malformed(property === "" ? sentenceOf(failure) : `${property}: ${sentenceOf(failure)}`);
  }
}
