// SPDX-License-Identifier: Apache-2.0
//
// Which files a guest is linked from, as its compiler and level have them.
#include "shape.h"

extern const struct shape_list arrays_list, objects_list, doubtful_list, stepping_list, own_list,
    fortified_list, local_list;

const struct shape_list* const shape_lists[] = {
    &arrays_list,    &objects_list, &doubtful_list, &stepping_list, &own_list,
#ifdef HAVE_FORTIFIED
    &fortified_list,
#endif
#ifdef HAVE_LOCAL
    &local_list,
#endif
};
const size_t shape_list_count = sizeof shape_lists / sizeof *shape_lists;
