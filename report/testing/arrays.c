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
int single;
const int constant[6] = {1, 2, 3, 4, 5, 6};
void* pointers[7];

int main(int count, char** arguments) {
  ten[count] = single + both.four[count] + rows[count][1] + constant[count];
  pointers[count] = arguments;
  return outer.inner.three[count] + outer.five[count] + ten[count];
}
