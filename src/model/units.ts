/** Bits and bytes, milliseconds and seconds: conversions that round on purpose. */

export const BITS_PER_BYTE = 8;
export const KIB = 1024;
export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
