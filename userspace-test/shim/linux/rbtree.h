/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Binary tree nodes whose parent pointer carries a colour bit. Only the parts
 * that do not balance by colour: the core must not need the others.
 */
#ifndef _SHIM_LINUX_RBTREE_H
#define _SHIM_LINUX_RBTREE_H

#include <linux/container_of.h>
#include <linux/types.h>

struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right;
	struct rb_node *rb_left;
} __aligned(sizeof(long));

struct rb_root {
	struct rb_node *rb_node;
};

#define RB_ROOT	((struct rb_root) { NULL })

#define rb_parent(rb)	((struct rb_node *)((rb)->__rb_parent_color & ~3UL))
#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member) ({			\
	typeof(ptr) __ptr = (ptr);				\
	__ptr ? rb_entry(__ptr, type, member) : NULL; })

/* A node that is in no tree is its own parent. */
#define RB_EMPTY_ROOT(root)	(!READ_ONCE((root)->rb_node))
#define RB_EMPTY_NODE(node)	((node)->__rb_parent_color == (unsigned long)(node))
#define RB_CLEAR_NODE(node)	((node)->__rb_parent_color = (unsigned long)(node))

struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* Children before their parents. */
struct rb_node *rb_first_postorder(const struct rb_root *root);
struct rb_node *rb_next_postorder(const struct rb_node *node);

/* Hang @node below @parent, as a red leaf; the caller balances. */
static inline void rb_link_node(struct rb_node *node, struct rb_node *parent,
				struct rb_node **link)
{
	*node = (struct rb_node) { .__rb_parent_color = (unsigned long)parent };
	*link = node;
}

#define rbtree_postorder_for_each_entry_safe(pos, n, root, field)		\
	for (pos = rb_entry_safe(rb_first_postorder(root), typeof(*pos), field); \
	     pos && ({ n = rb_entry_safe(rb_next_postorder(&pos->field),	\
					 typeof(*pos), field); 1; });		\
	     pos = n)

#endif /* _SHIM_LINUX_RBTREE_H */
