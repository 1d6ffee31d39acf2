// SPDX-License-Identifier: Apache-2.0
//
// Variables of which debug information says which arrays begin where in them.
typedef const int Number;
struct inner {
  char name[8];
  short three[3];
};
struct outer {
  int first;
  Number five[5];
  struct inner inner;
};

int ten[10];
struct outer outer = {0, {1, 2, 3, 4, 5}, {"inner", {6, 7, 8}}};
union {
  int four[4];
  short eight[8];
} both;
int rows[3][4];
short cube[2][3][5];
struct many {
  int first;
  short three[3];
  unsigned some : 3, others : 5;
  char two[2];
} many[6];
typedef int Four[4];
typedef Four Rows[3];
Rows named[2];
struct variant {
  union {
    int two[2];
    short four[4];
  };
  int kind;
} variants[5];
char deep[2][2][2][2][2];
int large[5000];
int single;
const int constant[6] = {1, 2, 3, 4, 5, 6};
void* pointers[7];

int main(int count, char** arguments) {
  ten[count] = single + both.four[count] + rows[count][1] + constant[count];
  pointers[count] = arguments;
  cube[1][count][2] = many[count].three[1] = named[1][count][3] = variants[count].kind = 1;
  large[count] = 1;
  deep[1][1][count][1][0] = 1;
  return outer.inner.three[count] + outer.five[count] + ten[count];
}
