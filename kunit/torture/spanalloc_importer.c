// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that imports dma-bufs, so that tests see what a device would.
 */

/**
 * DOC: Importer
 *
 * Each open file of /dev/spanalloc_importer imports one dma-buf for a device that does
 * not exist. It is told what to do by lines written to it; a write fails as the step
 * does::
 *
 *	import FD	take the dma-buf, and attach the device
 *	map DIR		map it for the device: to, from, both (repeatable)
 *	check SEED	read as the device, and compare with the pattern: EILSEQ
 *	fill SEED	write the pattern as the device
 *	unmap		undo the last map
 *	vmap		map it into the kernel
 *	vcheck SEED	the same with the processor
 *	vfill SEED
 *	vunmap
 *	segment BYTES	what the device takes in one piece, from now on
 *	release		detach, and give the dma-buf back, as closing the file does
 *
 * Reading it tells the bytes and entries of the last mapping, and its longest entry.
 *
 * The device reaches memory at the addresses that the scatterlist has for it, never by
 * the pages in it, which are none of an importer's business. That works where such an
 * address is a physical one: in a machine without an IOMMU. With swiotlb=force on the
 * kernel's command line it is that of a copy, so that a test sees whether contents are
 * carried over when they have to be.
 *
 * Locking: each open file has a mutex.
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/kstrtox.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../../spanalloc/compat.h"

#define LINE_LEN	64
#define NMAPS		4

/**
 * struct importer - what an open file imports
 * @lock: protects all that follows
 * @dmabuf: the dma-buf, or NULL
 * @attach: the device's attachment to it
 * @sgt: mappings for the device
 * @dir: which way they transfer
 * @nmaps: how many there are
 * @vmap: the kernel's mapping, if any
 */
struct importer {
	struct mutex lock;	/* protects all that follows */
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt[NMAPS];
	enum dma_data_direction dir[NMAPS];
	unsigned int nmaps;
	struct iosys_map vmap;
};

static struct platform_device *pdev;

/* The pattern of the device tests: never zero, and different on each page. */
static u64 pattern(unsigned long seed, u64 word)
{
	u64 per_page = PAGE_SIZE / sizeof(u64);

	return (((u64)seed << 32 ^ word / per_page) << 1 | 1) * 0x9e3779b97f4a7c15ULL +
	       word % per_page;
}

static int use_words(u64 *at, u64 from, u64 nwords, unsigned long seed, bool write)
{
	u64 i;

	for (i = 0; i < nwords; i++) {
		if (write)
			at[i] = pattern(seed, from + i);
		else if (at[i] != pattern(seed, from + i))
			return -EILSEQ;
	}
	return 0;
}

/* What a device does: it goes by addresses and lengths. */
static int use_device(struct importer *imp, unsigned long seed, bool write)
{
	enum dma_data_direction dir;
	struct scatterlist *sg;
	u64 word = 0;
	int i, err;

	if (!imp->nmaps)
		return -ENXIO;
	dir = imp->dir[imp->nmaps - 1];
	if (dir == (write ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
		return -EPERM;
	for_each_sgtable_dma_sg(imp->sgt[imp->nmaps - 1], sg, i) {
		u64 *at = phys_to_virt(sg_dma_address(sg));
		u64 nwords = sg_dma_len(sg) / sizeof(u64);

		err = use_words(at, word, nwords, seed, write);
		if (err)
			return err;
		word += nwords;
	}
	return word * sizeof(u64) == imp->dmabuf->size ? 0 : -EMSGSIZE;
}

static int use_vmap(struct importer *imp, unsigned long seed, bool write)
{
	if (iosys_map_is_null(&imp->vmap))
		return -ENXIO;
	return use_words(imp->vmap.vaddr, 0, imp->dmabuf->size / sizeof(u64), seed, write);
}

static int do_import(struct importer *imp, const char *arg)
{
	int fd, err = kstrtoint(arg, 0, &fd);

	if (err)
		return err;
	if (imp->dmabuf)
		return -EBUSY;
	imp->dmabuf = dma_buf_get(fd);
	if (IS_ERR(imp->dmabuf)) {
		err = PTR_ERR(imp->dmabuf);
		imp->dmabuf = NULL;
		return err;
	}
	imp->attach = dma_buf_attach(imp->dmabuf, &pdev->dev);
	if (IS_ERR(imp->attach)) {
		err = PTR_ERR(imp->attach);
		dma_buf_put(imp->dmabuf);
		imp->dmabuf = NULL;
	}
	return err;
}

static int do_map(struct importer *imp, const char *arg)
{
	static const char * const names[] = {
		[DMA_BIDIRECTIONAL] = "both", [DMA_TO_DEVICE] = "to", [DMA_FROM_DEVICE] = "from",
	};
	int dir = match_string(names, ARRAY_SIZE(names), arg);
	struct sg_table *sgt;

	if (dir < 0 || !imp->dmabuf || imp->nmaps == NMAPS)
		return -EINVAL;
	sgt = dma_buf_map_attachment_unlocked(imp->attach, dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	imp->sgt[imp->nmaps] = sgt;
	imp->dir[imp->nmaps++] = dir;
	return 0;
}

static int do_unmap(struct importer *imp, const char *arg)
{
	if (!imp->nmaps)
		return -EINVAL;
	imp->nmaps--;
	dma_buf_unmap_attachment_unlocked(imp->attach, imp->sgt[imp->nmaps],
					  imp->dir[imp->nmaps]);
	return 0;
}

static int do_vmap(struct importer *imp, const char *arg)
{
	if (!imp->dmabuf || iosys_map_is_set(&imp->vmap))
		return -EINVAL;
	return SPAN_DMA_BUF_VMAP(imp->dmabuf, &imp->vmap);
}

static int do_vunmap(struct importer *imp, const char *arg)
{
	if (iosys_map_is_null(&imp->vmap))
		return -EINVAL;
	SPAN_DMA_BUF_VUNMAP(imp->dmabuf, &imp->vmap);
	iosys_map_clear(&imp->vmap);
	return 0;
}

static int do_release(struct importer *imp, const char *arg)
{
	while (imp->nmaps)
		do_unmap(imp, NULL);
	do_vunmap(imp, NULL);
	if (!imp->dmabuf)
		return -EINVAL;
	dma_buf_detach(imp->dmabuf, imp->attach);
	dma_buf_put(imp->dmabuf);
	imp->dmabuf = NULL;
	return 0;
}

static int with_seed(struct importer *imp, const char *arg, bool write,
		     int (*use)(struct importer *imp, unsigned long seed, bool write))
{
	unsigned long seed;
	int err = kstrtoul(arg, 0, &seed);

	return err ? : use(imp, seed, write);
}

static int do_check(struct importer *imp, const char *arg)
{
	return with_seed(imp, arg, false, use_device);
}

static int do_fill(struct importer *imp, const char *arg)
{
	return with_seed(imp, arg, true, use_device);
}

static int do_vcheck(struct importer *imp, const char *arg)
{
	return with_seed(imp, arg, false, use_vmap);
}

static int do_vfill(struct importer *imp, const char *arg)
{
	return with_seed(imp, arg, true, use_vmap);
}

static int do_segment(struct importer *imp, const char *arg)
{
	unsigned int nbytes;
	int err = kstrtouint(arg, 0, &nbytes);

	if (!err)
		dma_set_max_seg_size(&pdev->dev, nbytes);
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct importer *imp, const char *arg);
} steps[] = {
	{ "import", do_import }, { "map", do_map }, { "check", do_check },
	{ "fill", do_fill }, { "unmap", do_unmap }, { "vmap", do_vmap },
	{ "vcheck", do_vcheck }, { "vfill", do_vfill }, { "vunmap", do_vunmap },
	{ "segment", do_segment }, { "release", do_release },
};

static int run_line(struct importer *imp, char *line)
{
	char *arg = strim(line), *name = strsep(&arg, " ");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		if (!strcmp(name, steps[i].name))
			return steps[i].run(imp, arg ? : "");
	return -EINVAL;
}

static ssize_t importer_write(struct file *file, const char __user *from, size_t count,
			      loff_t *pos)
{
	struct importer *imp = file->private_data;
	char line[LINE_LEN] = "";
	int err;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	mutex_lock(&imp->lock);
	err = run_line(imp, line);
	mutex_unlock(&imp->lock);
	return err ? : count;
}

static ssize_t importer_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct importer *imp = file->private_data;
	unsigned int nents = 0, longest = 0;
	struct scatterlist *sg;
	char line[LINE_LEN];
	u64 nbytes = 0;
	int i;

	mutex_lock(&imp->lock);
	if (imp->nmaps) {
		for_each_sgtable_dma_sg(imp->sgt[imp->nmaps - 1], sg, i) {
			nents++;
			nbytes += sg_dma_len(sg);
			longest = max(longest, sg_dma_len(sg));
		}
	}
	mutex_unlock(&imp->lock);
	scnprintf(line, sizeof(line), "%llu %u %u\n", nbytes, nents, longest);
	*pos = 0;
	return simple_read_from_buffer(to, count, pos, line, strlen(line));
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *imp = kzalloc(sizeof(*imp), GFP_KERNEL);

	if (!imp)
		return -ENOMEM;
	mutex_init(&imp->lock);
	file->private_data = imp;
	return nonseekable_open(inode, file);
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct importer *imp = file->private_data;

	do_release(imp, NULL);
	mutex_destroy(&imp->lock);
	kfree(imp);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.read = importer_read,
	.write = importer_write,
};

static struct miscdevice importer_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "spanalloc_importer",
	.fops = &importer_fops,
	.mode = 0600,
};

static int __init importer_init(void)
{
	int err;

	pdev = platform_device_register_simple("spanalloc_importer", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (!err)
		err = misc_register(&importer_miscdev);
	if (err)
		platform_device_unregister(pdev);
	return err;
}
module_init(importer_init);

static void __exit importer_exit(void)
{
	misc_deregister(&importer_miscdev);
	platform_device_unregister(pdev);
}
module_exit(importer_exit);

MODULE_DESCRIPTION("An importer of dma-bufs, for tests");
MODULE_LICENSE("GPL");
SPAN_IMPORT_DMA_BUF();
