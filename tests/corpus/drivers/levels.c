// SPDX-License-Identifier: Apache-2.0
//
// levels message: prints two of zlib's messages; with one seeded bug each is that of the error
// behind it, and behind the last there is none. levels LEVEL: compresses a text at that level and
// prints what became of it; with the other one zlib takes level 10, and its table has levels 0
// to 9.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static unsigned char plain[60000], packed[70000], again[60000];

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (strcmp(argv[1], "message") == 0) {
    printf("%s, %s\n", zError(Z_MEM_ERROR + 1), zError(-7));
    return 0;
  }
  for (size_t i = 0; i < sizeof plain; ++i)
    plain[i] = (unsigned char)("bounds, "[i % 8] + i / 977 % 13);
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (deflateInit(&stream, atoi(argv[1])) != Z_OK) {
    puts("there is no such level");
    return 1;
  }
  stream.next_in = plain;
  stream.avail_in = sizeof plain;
  stream.next_out = packed;
  stream.avail_out = sizeof packed;
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return 3;
  const unsigned long size = stream.total_out;
  if (deflateEnd(&stream) != Z_OK) return 4;
  unsigned long length = sizeof again;
  if (uncompress(again, &length, packed, size) != Z_OK || length != sizeof plain) return 5;
  if (memcmp(plain, again, sizeof plain) != 0) return 6;
  printf("%lu bytes, checksum %lx\n", size, adler32(1, packed, (unsigned)size));
  return 0;
}
